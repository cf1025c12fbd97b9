"""Which learning rate each part of a network has, and from which epoch on it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from polytask.architectures import MultiTaskModel
from polytask.encoders.initialization import match_parameters
from polytask.options import TrainingOptions

TRUNK, TASK_PREFIX = "trunk", "task:"


def make_param_groups(model: MultiTaskModel, options: TrainingOptions) -> list[dict[str, Any]]:
    """The parameters that are trained, or will be, in groups of one learning rate each.

        lr_p = lr · decay^(K − 1 − k) · factor

    where p lies in piece k of the K pieces of an encoder: its stem, then its stages, or the blocks of a transformer (Howard & Ruder,
    ACL 2018, section 3.2, have a decay of 1 / 2.6). Whatever way of sharing copies these pieces, the copies have their rates; other
    parameters have no decay. The factor is that of the most specific entry of `lr_multipliers`: the longest beginning of the parameter's
    name, then `task:name` for what that task alone reaches, then `trunk` for what several tasks reach.

    Raises:
        ConfigError: An entry names nothing.
    """
    later = {name for parts in options.unfreeze.values() for name in match_parameters(model, parts)}
    factors = _lr_multipliers(model, options.lr_multipliers)
    depths = _layers_above(model) if options.layer_decay != 1 else {}
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad or name in later:
            lr = options.lr * options.layer_decay ** depths.get(id(parameter), 0) * factors.get(name, 1.0)
            groups.setdefault(lr, []).append(parameter)
    return [{"params": parameters, "lr": lr} for lr, parameters in groups.items()]


def unfreeze_due(model: MultiTaskModel, unfreeze_at: Mapping[int, Sequence[str]], epoch: int) -> bool:
    """From this epoch on, train the parts whose time has come. True if any of them was frozen."""
    due = {name for start, parts in unfreeze_at.items() if start <= epoch for name in match_parameters(model, parts)}
    frozen = [p for name, p in model.named_parameters() if name in due and not p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)  # noqa: FBT003 - that is its signature
    return bool(frozen)


def _lr_multipliers(model: MultiTaskModel, given: Mapping[str, float]) -> dict[str, float]:
    """Per parameter's name its factor, where there is one: later entries of the sorted list are more specific."""
    factors: dict[str, float] = {}
    for part in sorted(given, key=lambda part: (part != TRUNK, not part.startswith(TASK_PREFIX), len(part))):
        for name in _matching_parameters(model, part):
            factors[name] = given[part]
    return factors


def _matching_parameters(model: MultiTaskModel, part: str) -> list[str]:
    if part != TRUNK and not part.startswith(TASK_PREFIX):
        return match_parameters(model, [part])
    shared = {id(parameter) for parameter in model.shared_parameters(trainable_only=False).values()}
    if part == TRUNK:
        return [name for name, parameter in model.named_parameters() if id(parameter) in shared]
    task = part.removeprefix(TASK_PREFIX)
    own = {id(parameter) for parameter in model.head(task).parameters()}
    named = {name for name, _ in model.architecture.named_parameters() if model.architecture.tasks_reaching(name) == (task,)}
    own |= {id(parameter) for name, parameter in model.architecture.named_parameters() if name in named}
    return [name for name, parameter in model.named_parameters() if id(parameter) in own - shared]


def _layers_above(model: MultiTaskModel) -> dict[int, int]:
    """Per parameter how many pieces of its encoder come after it."""
    return {
        id(parameter): after
        for module in model.architecture.modules()
        if (after := getattr(module, "groups_after", None)) is not None
        for parameter in module.parameters(recurse=False)
    }
