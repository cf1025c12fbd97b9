"""Checks of losses for methods that take their logarithm or divide by them, and bounds of the weights of such methods."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

LARGEST_LEARNED_WEIGHT = 1e10
"""Bound of weights that grow as long as a loss stays near 0: times any useful loss it is far from the limits of float32."""
LARGEST_LEARNED_LOGARITHM = log(LARGEST_LEARNED_WEIGHT)


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


def inverses(losses: Sequence[float]) -> list[float]:
    """Return 1 / L for every loss; 0 for losses below 1e-30, which no float32 arithmetic can lower further.

    Example:
        >>> inverses([2.0, 0.0, 1e-40])
        [0.5, 0.0, 0.0]
    """
    return [1.0 / loss if loss * LARGEST_WEIGHT >= 1.0 else 0.0 for loss in losses]
