"""Vector-Jacobian products of heads: from losses down to what heads look at, all tasks in one walk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.reachability import REENTRANT, reentrant_checkpoint
from polytask.gradients.primitives.vjp import Losses, PrivateGradients, gradients_of

Features = tuple[Tensor, ...]
Allocate = Callable[[int, tuple[int, ...], Tensor], Tensor]
"""Gives memory for a representation's gradients: its number, the shape, and a tensor of the wanted type and device."""


@dataclass
class HeadGraph:
    """The part of a task's graph between its loss and the representations.

    Attributes:
        leaves: The head's parameters, by their id.
        edges: Where it enters a representation: a node of the head, the number of the node's input, the representation's number.
    """

    leaves: dict[int, Tensor] = field(default_factory=dict)
    edges: list[tuple[Any, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class FeatureGradients:
    """The tasks' gradients of one representation.

    Attributes:
        names: The tasks that look at it, t of them.
        stack: (t, N, ...) scaled as the losses are.
    """

    names: tuple[str, ...]
    stack: Tensor

    def finite(self) -> list[bool]:
        """Return per task whether every number is finite."""
        # A sum is finite only if all of its terms are; the reverse is asked task by task.
        if not len(self.stack) or bool(torch.isfinite(self.stack.sum())):
            return [True] * len(self.names)
        return [bool(torch.isfinite(gradient).all()) for gradient in self.stack]

    def of(self, names: Sequence[str]) -> FeatureGradients:
        """Return the gradients of these tasks alone."""
        rows = [number for number, name in enumerate(self.names) if name in names]
        return self if len(rows) == len(self.names) else FeatureGradients(tuple(self.names[n] for n in rows), self.stack[rows])

    def padded(self, names: Sequence[str]) -> FeatureGradients:
        """Return gradients for all of these tasks: zero for those that look at the representation in other processes alone."""
        if tuple(names) == self.names:
            return self
        filled = self.stack.new_zeros(len(names), *self.stack.shape[1:])
        for name, row in zip(self.names, self.stack, strict=True):
            filled[names.index(name)] = row
        return FeatureGradients(tuple(names), filled)


class HeadWalk:
    """A walk from losses through the heads, which stops at the representations.

    Args:
        losses: The tasks' losses.
        features: The representations.
        shared: The shared parameters, all of which lie below the representations.
        scaler: The loss scaler, if there is one.

    Raises:
        ConfigError: A task reaches shared parameters on another way than through the representations.
    """

    def __init__(self, losses: Losses, features: Features, shared: Iterable[Tensor], scaler: GradScaler | None) -> None:
        self._losses, self._features, self._scaler = losses, features, scaler
        # A node and the number of one of its outputs tell a representation: two of them may come out of one node (`torch.split`).
        self._barriers = {(feature.grad_fn, feature.output_nr): number for number, feature in enumerate(features)}
        self._shared = {id(parameter) for parameter in shared}
        self._owner: dict[Any, str] = {}
        self._overlapping = False
        self._graphs = {task: self._graph_of(task, loss) for task, loss in losses.items()}

    def _graph_of(self, task: str, loss: Tensor) -> HeadGraph:
        """Return what lies between a loss and the representations, and note whether it has a node in common with another task's."""
        graph = HeadGraph()
        waiting = [loss.grad_fn] if loss.grad_fn is not None else []
        own: set[Any] = set()
        while waiting:
            node = waiting.pop()
            if node in own:
                continue
            own.add(node)
            self._overlapping = self._overlapping or self._owner.setdefault(node, task) != task
            self._take_leaf(task, node, graph)
            for place, (parent, output) in enumerate(node.next_functions):
                feature = self._barriers.get((parent, output))
                if feature is not None:
                    graph.edges.append((node, place, feature))
                elif parent is not None:
                    waiting.append(parent)
        return graph

    def _take_leaf(self, task: str, node: Any, graph: HeadGraph) -> None:  # noqa: ANN401 - autograd's nodes have no public type
        if node.name() == REENTRANT:
            raise reentrant_checkpoint()
        variable = getattr(node, "variable", None)
        if not isinstance(variable, Tensor):
            return
        if id(variable) in self._shared:
            remedy = "Give all representations that its head looks at (features=), or none"
            raise ConfigError("a task reaches shared parameters beside its representation", where=f"task {task!r}", remedy=remedy)
        graph.leaves[id(variable)] = variable

    def run(self, allocate: Allocate, *, keep: bool) -> tuple[list[FeatureGradients], PrivateGradients]:
        """Backpropagate through the heads.

        Args:
            allocate: Gives memory for the tasks' gradients of a representation.
            keep: Whether the graphs are needed after this.

        Returns:
            Per representation the gradients of the tasks that look at it; per task its private parameters, and their gradients.
        """
        numbers = range(len(self._features))
        readers = [tuple(t for t, graph in self._graphs.items() if any(f == number for _, _, f in graph.edges)) for number in numbers]
        pairs = zip(readers, self._features, strict=True)
        stacks = [allocate(number, (len(names), *z.shape), z) for number, (names, z) in enumerate(pairs)]
        found = [FeatureGradients(names, stack) for names, stack in zip(readers, stacks, strict=True)]
        # Heads with a node in common would add their gradients there, where nobody can tell them apart any more.
        private = self._task_by_task(found) if self._overlapping else self._all_at_once(found, keep=keep)
        return found, private

    def _all_at_once(self, found: Sequence[FeatureGradients], *, keep: bool) -> PrivateGradients:
        """Walk all heads in one pass of autograd's engine.

        The engine adds up what the heads send to a representation. Each head's part of the sum is therefore caught one node earlier, by a
        hook on the last node of the head, which sees the gradients of its own inputs alone.
        """
        losses = [loss for loss in self._losses.values() if loss.requires_grad]
        if not losses:
            return {}
        filled: set[tuple[int, int]] = set()
        hooks = []
        for task, graph in self._graphs.items():
            for node, place, feature in graph.edges:
                row = found[feature].names.index(task)
                hooks.append(node.register_hook(_catch(place, found[feature].stack[row], filled, (feature, row))))
        leaves = [leaf for graph in self._graphs.values() for leaf in graph.leaves.values()]
        slopes = [_scaled(torch.ones_like(loss), self._scaler) for loss in losses]
        try:
            # The representations are asked for only so that the engine walks down to them and no further.
            walked = torch.autograd.grad(losses, (*self._features, *leaves), slopes, retain_graph=keep, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
        for feature, gradients in enumerate(found):
            for row in range(len(gradients.names)):
                if (feature, row) not in filled:
                    gradients.stack[row].zero_()
        rest = iter(walked[len(self._features) :])
        return {task: (list(graph.leaves.values()), [next(rest) for _ in graph.leaves]) for task, graph in self._graphs.items()}

    def _task_by_task(self, found: Sequence[FeatureGradients]) -> PrivateGradients:
        """Walk the heads one after the other: what they have in common is walked more than once, so that graphs are kept."""
        private: PrivateGradients = {}
        for task, loss in self._losses.items():
            leaves = list(self._graphs[task].leaves.values())
            walked = gradients_of(_scaled(loss, self._scaler), (*self._features, *leaves), keep=True)
            private[task] = (leaves, walked[len(self._features) :])
            for gradients, gradient in zip(found, walked, strict=False):
                if task in gradients.names:
                    row = gradients.stack[gradients.names.index(task)]
                    row.zero_() if gradient is None else row.copy_(gradient)
        return private


def _catch(place: int, row: Tensor, filled: set[tuple[int, int]], key: tuple[int, int]) -> Callable[[Any, Any], None]:
    """Return a hook that copies the gradient of a node's input into a row. A head may enter a representation more than once."""

    def catch(inputs: Sequence[Tensor | None], _: Any) -> None:  # noqa: ANN401 - the engine hands over what the node had
        gradient = inputs[place]
        if gradient is not None:
            row.add_(gradient) if key in filled else row.copy_(gradient)
            filled.add(key)

    return catch


def _scaled(loss: Tensor, scaler: GradScaler | None) -> Tensor:
    return loss if scaler is None else scaler.scale(loss)
