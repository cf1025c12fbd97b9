"""Balancers from what users give: `upgrad`, with wrappers before it `smooth-weights:upgrad`, an import path, a class or an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from polytask.balancing.balancer import Balancer
from polytask.registry import Resolved
from polytask.registry.resolve import resolve


def balancer_named(
    given: str | type[Balancer] | Balancer, options: Mapping[str, Any] | None = None, task_weights: Mapping[str, float] | None = None
) -> Balancer:
    """Make a balancer by its registry name, or by wrappers' names and its own, from the outermost on: `update-every:smooth-weights:upgrad`.

    What is not among the options is taken from the task weights where the balancer says so, and is its default otherwise.

    Args:
        given: Registry names or import paths with colons between, with options in parentheses if they have any; or a class. An object is
            returned as it is.
        options: More options of the outermost; those of what it wraps are its option `balancer`, and so on inwards.
        task_weights: αₜ per task.

    Raises:
        ConfigError: An unknown name (the message suggests the nearest), options that do not fit, or something that is no balancer.

    Example:
        >>> smoothed = balancer_named("smooth-weights:fixed", {"decay": 0.5, "balancer": {"weights": {"digit": 2.0}}})
        >>> smoothed.a, smoothed.balancer.weights
        (0.5, {'digit': 2.0})
        >>> balancer_named("CAGrad(c=0.3)")
        CAGrad(c=0.3)
    """
    found = resolve("balancer", given)
    return found.object if found.object is not None else _built(with_options(found, options or {}), task_weights or {})


def with_options(found: Resolved, options: Mapping[str, Any]) -> Resolved:
    """Return a balancer that has been found with more options; those of what it wraps are the option `balancer`.

    Raises:
        ConfigError: An option that it has not.
    """
    given = dict(options)
    inner = found.inner if found.inner is None else with_options(found.inner, given.pop("balancer", {}))
    return replace(found, options={**found.options, **given}, inner=inner)


def _built(found: Resolved, task_weights: Mapping[str, float]) -> Balancer:
    held = () if found.inner is None else (_built(found.inner, task_weights),)
    balancer: Balancer = replace(found, inner=None).build(*held, **found.cls.defaults(task_weights))
    return balancer


def uses_task_weights(given: str | type[Balancer] | Balancer) -> bool:
    """Return whether a balancer, or what it wraps, takes its weights from the tasks where it is given none.

    Example:
        >>> uses_task_weights("fixed"), uses_task_weights("smooth-weights:fixed"), uses_task_weights("equal")
        (True, True, False)
    """
    found: Resolved | None = resolve("balancer", given)
    probe = {"task": 2.0}
    while found is not None:
        if probe in found.cls.defaults(probe).values():
            return True
        found = found.inner
    return False
