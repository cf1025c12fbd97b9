"""Balancers by name: `upgrad`, or with wrappers before it, `smoothed:upgrad`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.balancing.balancer import Balancer
from polytask.errors import ConfigError
from polytask.registry import find, names
from polytask.registry.misfit import misfit

_WRAPS = ":"


def balancer_named(name: str, options: Mapping[str, Any] | None = None, task_weights: Mapping[str, float] | None = None) -> Balancer:
    """A balancer by its registry name, or by wrappers' names and its own, from the outermost on: `refreshed:smoothed:upgrad`.

    What is not among the options is taken from the task weights where the balancer says so, and is its default otherwise.

    Args:
        name: Registry names with colons between.
        options: Of the outermost; the options of what it wraps are its option `balancer`, and so on inwards.
        task_weights: αₜ per task.

    Raises:
        ConfigError: An unknown name (the message suggests the nearest), or options that do not fit.

    Example:
        >>> smoothed = balancer_named("smoothed:fixed", {"a": 0.5, "balancer": {"weights": {"digit": 2.0}}})
        >>> smoothed.a, smoothed.balancer.weights
        (0.5, {'digit': 2.0})
    """
    outer, wraps, inner = name.partition(_WRAPS)
    given = dict(options or {})
    held: tuple[Balancer, ...] = ()
    if wraps:
        kind = find("balancer wrapper", outer).resolve()
        held = (balancer_named(inner, given.pop("balancer", None), task_weights),)
    elif name in names("balancer wrapper"):
        raise ConfigError("a wrapper needs a balancer to wrap", where=f"balancer {name!r}", remedy=f"For example {name}:equal")
    else:
        kind = find("balancer", name).resolve()
    try:
        balancer: Balancer = kind(*held, **(kind.defaults(task_weights or {}) | given))
    except TypeError as error:
        raise misfit(kind, given, f"balancer {name!r}", error, own=["balancer"] if wraps else []) from None
    return balancer


def uses_task_weights(name: str) -> bool:
    """Whether a balancer, or what it wraps, takes its weights from the tasks where it is given none.

    Example:
        >>> uses_task_weights("fixed"), uses_task_weights("smoothed:fixed"), uses_task_weights("equal")
        (True, True, False)
    """
    *wrappers, last = name.split(_WRAPS)
    kinds = [*(find("balancer wrapper", wrapper).resolve() for wrapper in wrappers), find("balancer", last).resolve()]
    probe = {"task": 2.0}
    return any(probe in kind.defaults(probe).values() for kind in kinds)
