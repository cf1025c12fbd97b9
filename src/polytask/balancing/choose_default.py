"""Choice of the balancer that uses the weights given to tasks."""

from __future__ import annotations

from collections.abc import Mapping

from polytask.balancing.balancer import Balancer
from polytask.balancing.factory import uses_task_weights
from polytask.errors import ConfigError

DEFAULT_BALANCER, WEIGHTED_BALANCER, WEIGHTS_PREFIX = "equal", "fixed", "weights="


Given = str | type[Balancer] | Balancer
"""Balancer as given by users: a name, a class or an object."""


def default_balancer(weights: Mapping[str, float], requested: Given | None = None) -> Given:
    """Return the requested balancer, or by default `fixed` if any task has a weight other than 1 and `equal` otherwise.

    A task whose weight is not given has weight 1. The head of a task with weight 0 is not trained.

    Raises:
        ConfigError: The balancer does not use the weights, or all weights are 0.

    Example:
        >>> default_balancer({"price": 1.0}), default_balancer({"price": 2.0})
        ('equal', 'fixed')
    """
    check_task_weights(weights)
    if all(weight == 1 for weight in weights.values()):
        return requested or DEFAULT_BALANCER
    if requested is not None and not accepts_task_weights(requested):
        remedy = f"Leave the weights out, or choose {WEIGHTED_BALANCER!r}"
        raise ConfigError(
            "this balancer does not use the tasks' weights",
            where=f"balancer {str(requested)!r}",
            found=format_weights(weights),
            remedy=remedy,
        )
    return requested or WEIGHTED_BALANCER


def check_task_weights(weights: Mapping[str, float]) -> None:
    """Check that at least one task has a weight above 0.

    Raises:
        ConfigError: All weights are 0.
    """
    if not any(weights.values()):
        raise ConfigError("at least one task needs a weight above 0", where="weights", found=format_weights(weights))


def accepts_task_weights(balancer: Given) -> bool:
    """Return whether a balancer as given by users takes its weights from the tasks."""
    return not (isinstance(balancer, str) and balancer.startswith(WEIGHTS_PREFIX)) and uses_task_weights(balancer)


def format_weights(weights: Mapping[str, float]) -> str:
    """Return the weights as text.

    Example:
        >>> format_weights({"price": 2.0})
        'price=2'
    """
    return ", ".join(f"{task}={weight:g}" for task, weight in weights.items())
