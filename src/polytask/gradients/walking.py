"""Walking graphs backward: from every loss, or from a representation, to the parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.layout import Gradients
from polytask.gradients.path import Parts
from polytask.gradients.private import Private
from polytask.gradients.setting import Setting
from polytask.gradients.sharing import COMPILED, REENTRANT, Reach

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
        refuse_reentrant(reach.met)
        shared = layout.parameters if wanted is None or task in wanted else ()
        found = gradients_of(setting.scaled(part), (*shared, *own), keep=keep or remaining > 0)
        private.add(task, own, found[len(shared) :])
        if shared or wanted is None or task in wanted:
            row(task, found[: len(shared)])


def walk_batched(found: Sequence[tuple[Tensor, tuple[str, ...], Tensor]], setting: Setting, row: Row, *, keep: bool) -> None:
    """One batched backward for all tasks that look at a representation, from there on.

    Args:
        found: Representations, the tasks that look at each, and their gradients of it (t, N, ...).
        setting: Whose shared parameters.
        row: Takes a task's gradient of the shared parameters in.
        keep: Whether graphs are needed after this.

    Raises:
        ConfigError: The trunk is compiled.
    """
    layout = setting.shared
    parameters = () if layout is None else layout.parameters
    remaining = len(found)
    for feature, names, stack in found:
        remaining -= 1
        reach = Reach()
        reach(feature)
        if COMPILED in reach.met:
            raise ConfigError("a compiled module cannot be walked for all tasks at once", where="route", remedy="Use route='sequential'")
        if names and parameters:
            blocks = torch.autograd.grad(
                feature, parameters, stack, retain_graph=keep or remaining > 0, allow_unused=True, is_grads_batched=True
            )
            for number, task in enumerate(names):
                row(task, tuple(None if block is None else block[number] for block in blocks))


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


def refuse_reentrant(met: Collection[str]) -> None:
    """Reentrant checkpoints know no single gradients.

    Raises:
        ConfigError: There is one among these nodes.
    """
    if REENTRANT in met:
        remedy = "Use torch.utils.checkpoint.checkpoint(…, use_reentrant=False)"
        raise ConfigError("reentrant activation checkpoints cannot be walked task by task", where="checkpoint", remedy=remedy)
