"""Walking heads backward, down to what they look at, all of them in one pass of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.path import Parts
from polytask.gradients.private import Private
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import REENTRANT
from polytask.gradients.walking import gradients_of, refuse_reentrant

Features = tuple[Tensor, ...]


@dataclass
class Seen:
    """What a task's head is made of.

    Attributes:
        leaves: Its parameters.
        edges: Where it looks at a representation: a node, which of its inputs, which representation.
    """

    leaves: dict[int, Tensor] = field(default_factory=dict)
    edges: list[tuple[Any, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class HeadGradients:
    """The tasks' gradients of one representation.

    Attributes:
        names: The tasks that look at it, t of them.
        stack: (t, N, ...) scaled as the losses are.
    """

    names: tuple[str, ...]
    stack: Tensor

    def finite(self) -> list[bool]:
        """Per task whether every number is finite."""
        # A sum is finite only if all of its terms are; the reverse is asked task by task.
        if not len(self.stack) or bool(torch.isfinite(self.stack.sum())):
            return [True] * len(self.names)
        return [bool(torch.isfinite(gradient).all()) for gradient in self.stack]

    def of(self, names: Sequence[str]) -> HeadGradients:
        """Of these tasks alone."""
        rows = [number for number, name in enumerate(self.names) if name in names]
        return self if len(rows) == len(self.names) else HeadGradients(tuple(self.names[n] for n in rows), self.stack[rows])

    def and_of(self, names: Sequence[str]) -> HeadGradients:
        """With rows for all of these tasks: zero for those that look at it in other processes alone."""
        if tuple(names) == self.names:
            return self
        filled = self.stack.new_zeros(len(names), *self.stack.shape[1:])
        for name, row in zip(self.names, self.stack, strict=True):
            filled[names.index(name)] = row
        return HeadGradients(tuple(names), filled)


@final
class Heads:
    """The graphs between losses and representations.

    Raises:
        ConfigError: A task reaches shared parameters on another way than through the representations.
    """

    def __init__(self, parts: Parts, features: Features, setting: Setting) -> None:
        self._features = features
        self._barriers = {(feature.grad_fn, feature.output_nr): number for number, feature in enumerate(features)}
        self._shared = {id(parameter) for parameter in setting.layout(parts).parameters}
        self._owner: dict[Any, str] = {}
        self.mixed = False
        self.of = {task: self._walk(task, loss) for task, loss in parts.items()}

    def _walk(self, task: str, loss: Tensor) -> Seen:
        found = Seen()
        waiting = [loss.grad_fn] if loss.grad_fn is not None else []
        own: set[Any] = set()
        while waiting:
            node = waiting.pop()
            if node in own:
                continue
            own.add(node)
            self.mixed = self.mixed or self._owner.setdefault(node, task) != task
            self._take_leaf(task, node, found)
            for place, (parent, output) in enumerate(node.next_functions):
                feature = self._barriers.get((parent, output))
                if feature is not None:
                    found.edges.append((node, place, feature))
                elif parent is not None:
                    waiting.append(parent)
        return found

    def _take_leaf(self, task: str, node: Any, found: Seen) -> None:  # noqa: ANN401 - autograd's nodes have no public type
        if node.name() == REENTRANT:
            refuse_reentrant({REENTRANT})
        variable = getattr(node, "variable", None)
        if not isinstance(variable, Tensor):
            return
        if id(variable) in self._shared:
            remedy = "Give all representations that its head looks at (features=), or none"
            raise ConfigError("a task reaches shared parameters beside its representation", where=f"task {task!r}", remedy=remedy)
        found.leaves[id(variable)] = variable


def walk_heads(parts: Parts, features: Features, setting: Setting, private: Private, *, keep: bool) -> list[HeadGradients]:
    """Per representation the gradients of the tasks that look at it; private gradients are added on the way.

    Heads that have nothing in common are walked together: every gradient of a representation is caught where it leaves
    its own head. Heads that have something in common are walked one after the other.
    """
    heads = Heads(parts, features, setting)
    looking = [tuple(t for t, seen in heads.of.items() if any(f == number for _, _, f in seen.edges)) for number in range(len(features))]
    stacks = [setting.buffer(number, (len(names), *z.shape), z) for number, (names, z) in enumerate(zip(looking, features, strict=True))]
    walk = _one_by_one if heads.mixed else _all_at_once
    walk(parts, features, setting, private, heads, looking, stacks, keep)
    return [HeadGradients(names, stack) for names, stack in zip(looking, stacks, strict=True)]


def _all_at_once(
    parts: Parts,
    features: Features,
    setting: Setting,
    private: Private,
    heads: Heads,
    looking: Sequence[tuple[str, ...]],
    stacks: Sequence[Tensor],
    keep: bool,
) -> None:
    losses = [loss for loss in parts.values() if loss.requires_grad]
    if not losses:
        return
    filled: set[tuple[int, int]] = set()
    hooks = []
    for task, seen in heads.of.items():
        for node, place, feature in seen.edges:
            row = looking[feature].index(task)
            hooks.append(node.register_hook(_catch(place, stacks[feature][row], filled, (feature, row))))
    leaves = [leaf for seen in heads.of.values() for leaf in seen.leaves.values()]
    slopes = [setting.scaled(torch.ones_like(loss)) for loss in losses]
    try:
        found = torch.autograd.grad(losses, (*features, *leaves), slopes, retain_graph=keep, allow_unused=True)[len(features) :]
    finally:
        for hook in hooks:
            hook.remove()
    for number, names in enumerate(looking):
        for row in range(len(names)):
            if (number, row) not in filled:
                stacks[number][row].zero_()
    start = 0
    for task, seen in heads.of.items():
        private.add(task, list(seen.leaves.values()), found[start : start + len(seen.leaves)])
        start += len(seen.leaves)


def _catch(place: int, row: Tensor, filled: set[tuple[int, int]], key: tuple[int, int]) -> Callable[[Any, Any], None]:
    def catch(inputs: Sequence[Tensor | None], _: Any) -> None:  # noqa: ANN401 - the engine hands over what the node had
        gradient = inputs[place]
        if gradient is not None:
            row.add_(gradient) if key in filled else row.copy_(gradient)
            filled.add(key)

    return catch


def _one_by_one(
    parts: Parts,
    features: Features,
    setting: Setting,
    private: Private,
    heads: Heads,
    looking: Sequence[tuple[str, ...]],
    stacks: Sequence[Tensor],
    keep: bool,
) -> None:
    del keep  # what heads have in common is walked more than once
    for task, loss in parts.items():
        leaves = list(heads.of[task].leaves.values())
        found = gradients_of(setting.scaled(loss), (*features, *leaves), keep=True)
        private.add(task, leaves, found[len(features) :])
        for number, names in enumerate(looking):
            if task in names:
                gradient = found[number]
                row = stacks[number][names.index(task)]
                row.zero_() if gradient is None else row.copy_(gradient)
