"""Any of PyTorch's optimizers and schedules, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry.suggestion import nearest

_NEEDS_CLOSURE = ("LBFGS",)
_SPARSE_ONLY = ("SparseAdam",)


def _subclasses(module: Any, base: type, without: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - a module
    found = {name: getattr(module, name) for name in dir(module)}
    kinds = {name: kind for name, kind in found.items() if inspect.isclass(kind) and issubclass(kind, base)}
    return {name: kind for name, kind in kinds.items() if kind is not base and name not in without and not name.startswith("_")}


def _find_class(name: str, classes: Mapping[str, Any], what: str) -> Any:  # noqa: ANN401 - a class
    by_lower = {known.lower(): kind for known, kind in classes.items()}
    if name.lower() not in by_lower:
        raise ConfigError(f"unknown {what}", where=name, remedy=nearest(name, tuple(classes)))
    return by_lower[name.lower()]


def make_optimizer(parameters: Sequence[nn.Parameter] | Sequence[dict[str, Any]], options: TrainingOptions) -> Optimizer:
    """The optimizer that the options name, of parameters or of groups of them, in its fused form where it has one.

    Raises:
        ConfigError: There is none of that name, it does not take the arguments, or nothing is left to train.
    """
    if not parameters:
        raise ConfigError("nothing is left to train", where="freeze", remedy="Freeze fewer parts")
    kind = _find_class(options.optimizer, _subclasses(torch.optim, Optimizer, _NEEDS_CLOSURE + _SPARSE_ONLY), "optimizer")
    arguments = {"lr": options.lr} | options.optimizer_options
    if "fused" in inspect.signature(kind).parameters and "foreach" not in arguments:
        arguments = {"fused": True} | arguments
    optimizer: Optimizer = _instantiate(kind, parameters, arguments, f"optimizer {options.optimizer!r}")
    return optimizer


def make_scheduler(optimizer: Optimizer, options: TrainingOptions) -> LRScheduler | None:
    """The schedule that the options name, if they name one.

    Raises:
        ConfigError: There is none of that name, or it does not take the arguments.
    """
    if options.scheduler is None:
        return None
    kind = _find_class(options.scheduler, _subclasses(lr_scheduler, LRScheduler, ()), "schedule")
    schedule: LRScheduler = _instantiate(kind, optimizer, options.scheduler_options, f"schedule {options.scheduler!r}")
    return schedule


def step_scheduler(schedule: LRScheduler | None, mean: float) -> None:
    """One step of the schedule; those that watch a metric get 1 − the mean relative one: what is missing to perfection.

    Raises:
        ConfigError: The schedule was made for fewer steps.
    """
    if isinstance(schedule, ReduceLROnPlateau):
        # It watches for a relative fall, which is no fall of a negative number; 1 − mean is never negative.
        schedule.step(1 - mean)
    elif schedule is not None:
        try:
            schedule.step()
        except ValueError as error:  # OneCycleLR beyond its total_steps
            raise ConfigError("the schedule cannot go on", where=f"schedule {type(schedule).__name__!r}", found=error) from None


def _instantiate(kind: Any, subject: object, arguments: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - an instance of the class
    try:
        return kind(subject, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        accepted = [name for name in inspect.signature(kind).parameters if name not in {"params", "optimizer"}]
        raise ConfigError("these options do not fit", where=where, found=error, remedy=f"It takes {', '.join(accepted)}") from None
