"""Which balancer uses the weights that tasks were given."""

from __future__ import annotations

from collections.abc import Mapping

from polytask.balancing.balancer import Balancer
from polytask.balancing.factory import uses_task_weights
from polytask.errors import ConfigError

DEFAULT_BALANCER, WEIGHTED_BALANCER, WEIGHTS_PREFIX = "equal", "fixed", "weights="


Given = str | type[Balancer] | Balancer
"""A balancer as users give it."""


def default_balancer(weights: Mapping[str, float], requested: Given | None = None) -> Given:
    """The balancer that was asked for; else `fixed` where tasks have weights αₜ, and `equal` where none has.

    A task without a weight has 1; one of weight 0 has a head that is not trained.

    Raises:
        ConfigError: Weights that the balancer does not use, or all of them 0.

    Example:
        >>> default_balancer({"price": 1.0}), default_balancer({"price": 2.0})
        ('equal', 'fixed')
    """
    check_task_weights(weights)
    if all(weight == 1 for weight in weights.values()):
        return requested or DEFAULT_BALANCER
    if requested is not None and not accepts_task_weights(requested):
        remedy = f"Leave the weights out, or take {WEIGHTED_BALANCER!r}"
        raise ConfigError(
            "this balancer does not use the tasks' weights",
            where=f"balancer {str(requested)!r}",
            found=format_weights(weights),
            remedy=remedy,
        )
    return requested or WEIGHTED_BALANCER


def check_task_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights of which nothing is learned.

    Raises:
        ConfigError: All are 0.
    """
    if not any(weights.values()):
        raise ConfigError("at least one task needs a weight above 0", where="weights", found=format_weights(weights))


def accepts_task_weights(balancer: Given) -> bool:
    """Whether a balancer as users write it takes its weights from the tasks."""
    return not (isinstance(balancer, str) and balancer.startswith(WEIGHTS_PREFIX)) and uses_task_weights(balancer)


def format_weights(weights: Mapping[str, float]) -> str:
    """The weights in words.

    Example:
        >>> format_weights({"price": 2.0})
        'price=2'
    """
    return ", ".join(f"{task}={weight:g}" for task, weight in weights.items())
