"""Checks of losses for methods that take their logarithm."""

from __future__ import annotations

from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


def non_negative_losses(statistic: Statistic, method: str) -> list[float]:
    """Return the losses of the tasks present, after checking that none is negative.

    Args:
        statistic: Statistic of the step.
        method: Registry name of the balancer, for the error message.

    Raises:
        ConfigError: A loss is negative.
    """
    losses: list[float] = statistic.losses.tolist()
    for task, loss in zip(statistic.names, losses, strict=True):
        if loss < 0:
            remedy = "Choose a balancer without logarithms, or a loss that is bounded below by 0"
            raise ConfigError("this balancer needs non-negative losses", where=f"{method}, task {task!r}", found=loss, remedy=remedy)
    return losses
