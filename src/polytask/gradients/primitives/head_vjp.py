"""Vector-Jacobian products of heads, from the losses of all tasks to the representations in one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from polytask.errors import ConfigError
from polytask.gradients.primitives.flat_params import Gradients
from polytask.gradients.primitives.reachability import REENTRANT, Place, inputs_of, place_of, reentrant_checkpoint
from polytask.gradients.primitives.vjp import Losses, PrivateGradients, TakeGradients, gradients_of

Features = tuple[Tensor, ...]
Allocate = Callable[[int, tuple[int, ...], Tensor], Tensor]
"""Function that allocates a buffer from a representation's number, a shape, and a tensor with the dtype and device to use."""


@dataclass
class HeadGraph:
    """Part of a task's graph between its loss and the representations.

    Attributes:
        leaves: Parameters of the head, by their id.
        edges: Edges to representations: a place in the head, the number of the node's input, and the representation's number.
    """

    leaves: dict[int, Tensor] = field(default_factory=dict)
    edges: list[tuple[Place, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class FeatureGradients:
    """Gradients of the tasks' losses with respect to one representation.

    Attributes:
        names: Names of the t tasks whose heads use the representation.
        stack: Gradients (t, N, ...), scaled like the losses.
    """

    names: tuple[str, ...]
    stack: Tensor

    def finite(self, total: Tensor | None = None) -> list[bool]:
        """Return for every task whether its whole gradient is finite.

        Args:
            total: Sum of the whole stack, if it is on the CPU already.
        """
        # If the sum is finite, all its terms are. Otherwise it may have overflowed, so that every task is checked.
        if not len(self.stack) or bool(torch.isfinite(self.stack.sum() if total is None else total)):
            return [True] * len(self.names)
        return [bool(torch.isfinite(gradient).all()) for gradient in self.stack]

    def of(self, names: Sequence[str]) -> FeatureGradients:
        """Return the gradients of these tasks only."""
        rows = [number for number, name in enumerate(self.names) if name in names]
        if len(rows) == len(self.names):
            return self
        stack = torch.stack([self.stack[row] for row in rows]) if rows else self.stack[:0]
        return FeatureGradients(tuple(self.names[row] for row in rows), stack)

    def padded(self, names: Sequence[str]) -> FeatureGradients:
        """Return gradients for all of these tasks: zero for those that use the representation only in other processes."""
        if tuple(names) == self.names:
            return self
        filled = self.stack.new_zeros(len(names), *self.stack.shape[1:])
        for name, row in zip(self.names, self.stack, strict=True):
            filled[names.index(name)] = row
        return FeatureGradients(tuple(names), filled)


class HeadWalk:
    """Backward pass from losses through the heads, which stops at the representations.

    Args:
        losses: Loss per task, with its graph.
        features: Representations.
        shared: Shared parameters, which losses may reach only through the representations.
        scaler: Loss scaler; `None` if there is none.
        refuse: Whether to refuse tasks that reach shared parameters in another way; otherwise `exact` tells.

    Attributes:
        exact: Whether no task reaches shared parameters without passing through a representation, and no part of a graph between losses
            and representations belongs to several tasks.

    Raises:
        ConfigError: A task reaches shared parameters without passing through a representation.
    """

    def __init__(
        self, losses: Losses, features: Features, shared: Iterable[Tensor], scaler: GradScaler | None, *, refuse: bool = True
    ) -> None:
        self._losses, self._features, self._scaler = losses, features, scaler
        # A representation is identified by its node and output number, since one node may have several outputs (`torch.split`).
        self._barriers = {(feature.grad_fn, feature.output_nr): number for number, feature in enumerate(features)}
        self._shared = {id(parameter) for parameter in shared}
        self._owner: dict[Place, str] = {}
        self._refuse, self._overlapping, self._passing = refuse, False, False
        self._graphs = {task: self._graph_of(task, loss) for task, loss in losses.items()}
        self.exact = not (self._overlapping or self._passing)

    def _graph_of(self, task: str, loss: Tensor) -> HeadGraph:
        """Return the graph between a loss and the representations, and note whether it shares a node with another task's graph."""
        graph = HeadGraph()
        waiting = [place_of(loss.grad_fn, loss.output_nr)] if loss.grad_fn is not None else []
        own: set[Place] = set()
        while waiting:
            place = waiting.pop()
            if place in own:
                continue
            own.add(place)
            self._overlapping = self._overlapping or self._owner.setdefault(place, task) != task
            self._take_leaf(task, place[0] if type(place) is tuple else place, graph)
            for number, edge in inputs_of(place):
                feature = self._barriers.get(edge)
                if feature is not None:
                    graph.edges.append((place, number, feature))
                else:
                    waiting.append(place_of(*edge))
        return graph

    def _take_leaf(self, task: str, node: Any, graph: HeadGraph) -> None:  # noqa: ANN401 - autograd's nodes have no public type
        if node.name() == REENTRANT:
            raise reentrant_checkpoint()
        variable = getattr(node, "variable", None)
        if not isinstance(variable, Tensor):
            return
        if id(variable) in self._shared:
            if self._refuse:
                remedy = "Pass all representations that its head uses (features=), or none"
                raise ConfigError("a task must reach shared parameters only through `features`", where=f"task {task!r}", remedy=remedy)
            self._passing = True
        graph.leaves[id(variable)] = variable

    def run(self, allocate: Allocate, *, keep: bool) -> tuple[list[FeatureGradients], PrivateGradients]:
        """Backpropagate through the heads.

        Args:
            allocate: Function that allocates the buffer for the tasks' gradients of a representation.
            keep: Whether to keep the graphs for further backward passes.

        Returns:
            The tasks' gradients of every representation, and the private parameters of every task with their gradients.
        """
        numbers = range(len(self._features))
        readers = [tuple(t for t, graph in self._graphs.items() if any(f == number for _, _, f in graph.edges)) for number in numbers]
        pairs = zip(readers, self._features, strict=True)
        stacks = [allocate(number, (len(names), *z.shape), z) for number, (names, z) in enumerate(pairs)]
        found = [FeatureGradients(names, stack) for names, stack in zip(readers, stacks, strict=True)]
        # In a node that heads share, autograd would add their gradients, which could not be separated again.
        private = self._task_by_task(found) if self._overlapping else self._all_at_once(found, keep=keep)
        return found, private

    def _all_at_once(self, found: Sequence[FeatureGradients], *, keep: bool) -> PrivateGradients:
        """Backpropagate through all heads in one pass of the autograd engine.

        The engine sums the heads' gradients of a representation. Each head's term is therefore captured one node earlier, by a hook on the
        last node of the head, which sees the gradients of this node's inputs only.
        """
        losses = [loss for loss in self._losses.values() if loss.requires_grad]
        if not losses:
            return {}
        filled: set[tuple[int, int]] = set()
        hooks, nodes = self._catch_rows(found, filled)
        leaves = [leaf for graph in self._graphs.values() for leaf in graph.leaves.values()]
        slopes = [_scaled(torch.ones_like(loss), self._scaler) for loss in losses]
        try:
            # The representations are among the inputs only to make the engine stop there.
            walked = torch.autograd.grad(losses, (*self._features, *leaves), slopes, retain_graph=keep, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
            for node in nodes:
                node.take_branches = None
        for feature, gradients in enumerate(found):
            for row in range(len(gradients.names)):
                if (feature, row) not in filled:
                    gradients.stack[row].zero_()
        rest = iter(walked[len(self._features) :])
        return {task: (list(graph.leaves.values()), [next(rest) for _ in graph.leaves]) for task, graph in self._graphs.items()}

    def _catch_rows(self, found: Sequence[FeatureGradients], filled: set[tuple[int, int]]) -> tuple[list[Any], list[Any]]:
        """Let the last nodes of heads copy their gradients of representations; return the hooks, and the nodes with branches."""
        hooks: list[Any] = []
        taken: dict[Any, dict[int, tuple[Tensor, tuple[int, int]]]] = {}
        for task, graph in self._graphs.items():
            for place, number, feature in graph.edges:
                row = found[feature].names.index(task)
                gradient = found[feature].stack[row]
                node, branch = place if type(place) is tuple else (place, 0)
                if number == 0 and node is not place and hasattr(node, "branch_input"):
                    taken.setdefault(node, {})[branch] = (gradient, (feature, row))
                else:
                    hooks.append(node.register_hook(_catch(number, gradient, filled, (feature, row))))
        for node, rows in taken.items():
            node.take_branches = _take_rows(rows, filled)
        return hooks, list(taken)

    def _task_by_task(self, found: Sequence[FeatureGradients]) -> PrivateGradients:
        """Backpropagate through one head after the other; graphs are kept, since heads have nodes in common."""
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


def _catch(number: int, row: Tensor, filled: set[tuple[int, int]], key: tuple[int, int]) -> Callable[[Any, Any], None]:
    """Return a hook that copies the gradient of a node's input into a row, or adds it if the head uses the representation again."""

    def catch(inputs: Sequence[Tensor | None], _: Any) -> None:  # noqa: ANN401 - the gradients of the node's outputs
        gradient = inputs[number]
        if gradient is not None:
            row.add_(gradient) if key in filled else row.copy_(gradient)
            filled.add(key)

    return catch


def _take_rows(
    rows: Mapping[int, tuple[Tensor, tuple[int, int]]], filled: set[tuple[int, int]]
) -> Callable[[Sequence[int], Sequence[Tensor]], None]:
    """Return the function that a node with branches calls: it does for every branch what `_catch` does for a node."""

    def take(branches: Sequence[int], gradients: Sequence[Tensor]) -> None:
        for branch, gradient in zip(branches, gradients, strict=True):
            row, key = rows[branch]
            row.add_(gradient) if key in filled else row.copy_(gradient)
            filled.add(key)

    return take


def _scaled(loss: Tensor, scaler: GradScaler | None) -> Tensor:
    return loss if scaler is None else scaler.scale(loss)


def gradients_beyond_heads(
    walk: HeadWalk, features: Features, below: Mapping[int, Tensor], shared: Sequence[Tensor], take: TakeGradients, *, keep: bool
) -> PrivateGradients:
    """Backpropagate through all heads once, and from there once per task.

    With representations z_i (N, ...) and shared parameters θ, the gradient of task t is Σ_i (∂z_i/∂θ)ᵀ ∂L_t/∂z_i.

    Args:
        walk: Backward pass through the heads, which is exact.
        features: Representations at which it stops.
        below: Private parameters that representations depend on, by their id.
        shared: Shared parameters.
        take: Function that receives a task's gradient of the shared parameters before the next backward pass.
        keep: Whether to keep the graphs for further backward passes.

    Returns:
        Private parameters of every task, and their gradients.
    """
    found, private = walk.run(lambda _, shape, z: z.new_empty(shape), keep=keep or bool(below) or len(features) > 1)
    leaves = (*shared, *below.values())
    remaining = len(private)
    for task, (own, gradients) in private.items():
        remaining -= 1
        pairs = [(z, of.stack[of.names.index(task)]) for z, of in zip(features, found, strict=True) if task in of.names]
        reached: Gradients = (None,) * len(leaves)
        if pairs and leaves:
            outputs, slopes = zip(*pairs, strict=True)
            reached = torch.autograd.grad(outputs, leaves, slopes, retain_graph=keep or remaining > 0, allow_unused=True)
        take(task, reached[: len(shared)])
        private[task] = ((*own, *below.values()), (*gradients, *reached[len(shared) :]))
    return private
