"""Any of PyTorch's optimizers and schedules, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry.suggestion import nearest

_NEEDS_CLOSURE = ("LBFGS",)
_SPARSE_ONLY = ("SparseAdam",)

# PyTorch's fused SGD fails where a parameter has its first gradient after another one, as the head of a task without labels in the
# first batch does: it expects that either all momentum buffers exist or none. Its multi-tensor form starts each buffer by itself.
_NOT_FUSED_WITH = {"SGD": "momentum"}


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
    """Create the optimizer that the options name, in its fused form if it has one that starts parameters at different steps.

    Args:
        parameters: Parameters, or parameter groups, to optimize.
        options: Training options with the optimizer's name, learning rate and other arguments.

    Raises:
        ConfigError: There is no such optimizer, it does not accept the arguments, one of them is the learning rate, or there are no
            parameters.
    """
    if not parameters:
        raise ConfigError("nothing is left to train", where="freeze", remedy="Freeze fewer parts")
    kind = _find_class(options.optimizer, _subclasses(torch.optim, Optimizer, _NEEDS_CLOSURE + _SPARSE_ONLY), "optimizer")
    if "lr" in options.optimizer_options:
        raise ConfigError("the learning rate is an option of its own", where="optimizer_options, 'lr'", remedy="Give it as lr=")
    arguments = {"lr": options.lr} | options.optimizer_options
    starts_together = arguments.get(_NOT_FUSED_WITH.get(kind.__name__, ""), 0)
    if "fused" in inspect.signature(kind).parameters and "foreach" not in arguments and not starts_together:
        arguments = {"fused": True} | arguments
    optimizer: Optimizer = _instantiate(kind, parameters, arguments, f"optimizer {options.optimizer!r}")
    return optimizer


def make_scaler(options: TrainingOptions) -> GradScaler | None:
    """Create the loss scaler of training in float16, whose range would lose small gradients; `None` for other precisions."""
    return GradScaler(options.device.partition(":")[0]) if options.precision == "float16" else None


def make_scheduler(optimizer: Optimizer, options: TrainingOptions) -> LRScheduler | None:
    """Create the learning rate scheduler that the options name; None if they name none.

    Raises:
        ConfigError: There is no such scheduler, or it does not accept the arguments.
    """
    if options.scheduler is None:
        return None
    kind = _find_class(options.scheduler, _subclasses(lr_scheduler, LRScheduler, ()), "scheduler")
    schedule: LRScheduler = _instantiate(kind, optimizer, options.scheduler_options, f"scheduler {options.scheduler!r}")
    return schedule


def step_scheduler(schedule: LRScheduler | None, mean: float) -> None:
    """Advance a learning rate scheduler by one step.

    Args:
        schedule: Scheduler; `None` does nothing.
        mean: Mean relative validation metric. `ReduceLROnPlateau` monitors 1 − `mean`, the distance from perfect predictions.

    Raises:
        ConfigError: The scheduler was configured for fewer steps.
    """
    if isinstance(schedule, ReduceLROnPlateau):
        # Its default threshold is relative, which requires a non-negative quantity: 1 − mean is never negative.
        schedule.step(1 - mean)
    elif schedule is not None:
        try:
            schedule.step()
        except ValueError as error:  # OneCycleLR after its total_steps
            raise ConfigError(
                "the scheduler cannot take another step", where=f"scheduler {type(schedule).__name__!r}", found=error
            ) from None


def _instantiate(kind: Any, subject: object, arguments: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - an instance of the class
    try:
        return kind(subject, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        accepted = [name for name in inspect.signature(kind).parameters if name not in {"params", "optimizer"}]
        raise ConfigError("these options do not fit", where=where, found=error, remedy=f"It accepts {', '.join(accepted)}") from None
