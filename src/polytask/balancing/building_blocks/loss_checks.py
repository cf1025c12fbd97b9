"""The losses of methods that take logarithms."""

from __future__ import annotations

from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


def non_negative_losses(statistic: Statistic, method: str) -> list[float]:
    """The losses of the tasks present.

    Args:
        statistic: The step.
        method: The balancer's registry name.

    Raises:
        ConfigError: A loss is negative.
    """
    losses: list[float] = statistic.losses.tolist()
    for task, loss in zip(statistic.names, losses, strict=True):
        if loss < 0:
            remedy = "Take a balancer without logarithm, or a loss that is bounded below by 0"
            raise ConfigError("this balancer takes the logarithm of losses", where=f"{method}, task {task!r}", found=loss, remedy=remedy)
    return losses
