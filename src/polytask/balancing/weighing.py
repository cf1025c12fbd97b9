"""Which balancer uses the weights that tasks were given."""

from __future__ import annotations

from collections.abc import Mapping

from polytask.balancing.balancer import Balancer
from polytask.balancing.factory import uses_task_weights
from polytask.errors import ConfigError

USUAL, WEIGHING, WEIGHTS = "equal", "fixed", "weights="


Given = str | type[Balancer] | Balancer
"""A balancer as users give it."""


def balancer_for(weights: Mapping[str, float], asked: Given | None = None) -> Given:
    """The balancer that was asked for; else `fixed` where tasks have weights αₜ, and `equal` where none has.

    A task without a weight has 1; one of weight 0 has a head that is not trained.

    Raises:
        ConfigError: Weights that the balancer does not use, or all of them 0.

    Example:
        >>> balancer_for({"price": 1.0}), balancer_for({"price": 2.0})
        ('equal', 'fixed')
    """
    check_weights(weights)
    if all(weight == 1 for weight in weights.values()):
        return asked or USUAL
    if asked is not None and not weighs(asked):
        remedy = f"Leave the weights out, or take {WEIGHING!r}"
        raise ConfigError(
            "this balancer does not use the tasks' weights", where=f"balancer {str(asked)!r}", found=spoken(weights), remedy=remedy
        )
    return asked or WEIGHING


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights of which nothing is learned.

    Raises:
        ConfigError: All are 0.
    """
    if not any(weights.values()):
        raise ConfigError("at least one task needs a weight above 0", where="weights", found=spoken(weights))


def weighs(balancer: Given) -> bool:
    """Whether a balancer as users write it takes its weights from the tasks."""
    return not (isinstance(balancer, str) and balancer.startswith(WEIGHTS)) and uses_task_weights(balancer)


def spoken(weights: Mapping[str, float]) -> str:
    """The weights in words.

    Example:
        >>> spoken({"price": 2.0})
        'price=2'
    """
    return ", ".join(f"{task}={weight:g}" for task, weight in weights.items())
