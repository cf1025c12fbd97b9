"""Walking graphs backward: from every loss to its parameters, or only as far as the representations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.layout import Gradients
from polytask.gradients.path import Parts
from polytask.gradients.private import Private
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import COMPILED, REENTRANT, Reach

Features = tuple[Tensor, ...]
Row = Callable[[str, Gradients], None]


def walk_each(parts: Parts, setting: Setting, private: Private, row: Row, wanted: frozenset[str] | None, *, keep: bool) -> None:
    """One backward per task.

    Args:
        parts: The losses.
        setting: Whose shared parameters.
        private: Takes the private gradients in.
        row: Takes a task's gradient of the shared parameters in, before the next one is walked: no two of them are held.
        wanted: The only tasks whose shared gradients are wanted; the others' graphs are walked through their heads alone.
        keep: Whether graphs are needed after this.
    """
    layout = setting.layout(parts)
    reach = Reach(known=layout.parameters)
    remaining = len(parts)
    for task, part in parts.items():
        remaining -= 1
        own = reach(part)
        refuse_reentrant(reach)
        shared = layout.parameters if wanted is None or task in wanted else ()
        found = gradients_of(setting.scaled(part), (*shared, *own), keep=keep or remaining > 0)
        private.add(task, own, found[len(shared) :])
        if shared or wanted is None or task in wanted:
            row(task, found[: len(shared)])


def walk_heads(parts: Parts, features: Features, setting: Setting, private: Private) -> dict[str, Gradients]:
    """Per task its gradient of every representation; private gradients are added on the way.

    Raises:
        ConfigError: A task reaches shared parameters on another way than through the representations.
    """
    layout = setting.layout(parts)
    shared = {id(parameter) for parameter in layout.parameters}
    reach = Reach(barriers=features)
    found: dict[str, Gradients] = {}
    for task, part in parts.items():
        own = reach(part)
        refuse_reentrant(reach)
        if any(id(leaf) in shared for leaf in own):
            remedy = "Give all representations that its head looks at (features=), or none"
            raise ConfigError("a task reaches shared parameters beside its representation", where=f"task {task!r}", remedy=remedy)
        gradients = gradients_of(setting.scaled(part), (*features, *own), keep=True)
        private.add(task, own, gradients[len(features) :])
        found[task] = gradients[: len(features)]
    return found


def walk_batched(found: Mapping[str, Gradients], features: Features, setting: Setting, *, keep: bool) -> dict[str, Gradients]:
    """Per task its gradient of the shared parameters, by one batched backward from the representations on.

    Raises:
        ConfigError: The trunk is compiled.
    """
    layout = setting.shared
    if layout is None or not layout.parameters:
        return dict.fromkeys(found, ())
    reach = Reach()
    for feature in features:
        reach(feature)
    if COMPILED in reach.met:
        raise ConfigError("a compiled module cannot be walked for all tasks at once", where="route", remedy="Use route='sequential'")
    stacks = [_stacked([found[task][number] for task in found], feature) for number, feature in enumerate(features)]
    blocks = torch.autograd.grad(features, layout.parameters, stacks, retain_graph=keep, allow_unused=True, is_grads_batched=True)
    return {task: tuple(None if block is None else block[row] for block in blocks) for row, task in enumerate(found)}


def gradients_of(loss: Tensor, parameters: Sequence[Tensor], *, keep: bool) -> tuple[Tensor | None, ...]:
    """∂loss/∂θ per parameter; None where it is not reached.

    Raises:
        ConfigError: A compiled encoder cannot be walked more than once.
    """
    if not parameters or not loss.requires_grad:
        return (None,) * len(parameters)
    try:
        return torch.autograd.grad(loss, parameters, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        remedy = "Set torch._functorch.config.donated_buffer = False before the first forward"
        raise ConfigError("a compiled module gives its graph away in its first backward", where="Backward", remedy=remedy) from error


def refuse_reentrant(reach: Reach) -> None:
    """Reentrant checkpoints know no single gradients.

    Raises:
        ConfigError: The graph has one.
    """
    if REENTRANT in reach.met:
        remedy = "Use torch.utils.checkpoint.checkpoint(…, use_reentrant=False)"
        raise ConfigError("reentrant activation checkpoints cannot be walked task by task", where="checkpoint", remedy=remedy)


def _stacked(gradients: Sequence[Tensor | None], like: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(like) if gradient is None else gradient for gradient in gradients])
