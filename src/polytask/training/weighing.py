"""Which balancer uses the weights that tasks were given."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.balancing.named import uses_task_weights
from polytask.errors import ConfigError
from polytask.registry.spelling import spelled_balancer
from polytask.tasks import Task

USUAL, WEIGHING, WEIGHTS = "equal", "fixed", "weights="


def balancer_for(tasks: Sequence[Task], asked: str | None = None) -> str:
    """The balancer that was asked for; else `fixed` where tasks have weights αₜ, and `equal` where none has.

    A task without a weight has 1; one of weight 0 has a head that is not trained.

    Raises:
        ConfigError: Weights that the balancer does not use, or all of them 0.

    Example:
        >>> from polytask.tasks import Regression
        >>> balancer_for([Regression(name="price")]), balancer_for([Regression(name="price", weight=2.0)])
        ('equal', 'fixed')
    """
    check_weights(tasks)
    if all(task.weight == 1 for task in tasks):
        return asked or USUAL
    if asked is not None and not weighs(asked):
        remedy = f"Leave the weights out, or take {WEIGHING!r}"
        raise ConfigError("this balancer does not use the tasks' weights", where=f"balancer {asked!r}", found=spoken(tasks), remedy=remedy)
    return asked or WEIGHING


def check_weights(tasks: Sequence[Task]) -> None:
    """Refuse weights of which nothing is learned.

    Raises:
        ConfigError: All are 0.
    """
    if all(task.weight == 0 for task in tasks):
        raise ConfigError("at least one task needs a weight above 0", where="weights", found=spoken(tasks))


def weighs(balancer: str) -> bool:
    """Whether a balancer as users write it takes its weights from the tasks."""
    return not balancer.startswith(WEIGHTS) and uses_task_weights(spelled_balancer(balancer)[0])


def spoken(tasks: Sequence[Task]) -> str:
    """The weights in words.

    Example:
        >>> from polytask.tasks import Regression
        >>> spoken([Regression(name="price", weight=2.0)])
        'price=2'
    """
    return ", ".join(f"{task.name}={task.weight:g}" for task in tasks)
