"""Builds balancers from a name (`upgrad`, or with wrappers `smooth-weights:upgrad`), an import path, a class or an object."""

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
    """Build a balancer from its registry name, optionally preceded by wrappers, outermost first: `update-every:smooth-weights:upgrad`.

    Options that are not given are taken from the task weights if the balancer's `defaults` say so; otherwise the
    constructor's defaults apply.

    Args:
        given: Registry names or import paths, separated by colons, each with its options in parentheses if it has any; or a
            class. An object is returned unchanged.
        options: Additional options of the outermost component. Options of the component that it wraps are nested under the
            key `balancer`, and so on inwards.
        task_weights: Weight αₜ per task name.

    Raises:
        ConfigError: A name is unknown (the message suggests the nearest one), options do not fit, or the object is not a balancer.

    Example:
        >>> smoothed = balancer_named("smooth-weights:fixed", {"decay": 0.5, "balancer": {"weights": {"digit": 2.0}}})
        >>> smoothed.decay, smoothed.balancer.weights
        (0.5, {'digit': 2.0})
        >>> balancer_named("CAGrad(c=0.3)")
        CAGrad(c=0.3)
    """
    found = resolve("balancer", given)
    return found.object if found.object is not None else _built(with_options(found, options or {}), task_weights or {})


def with_options(found: Resolved, options: Mapping[str, Any]) -> Resolved:
    """Return a resolved balancer with additional options; options of the component that it wraps are nested under `balancer`.

    Raises:
        ConfigError: The component has no such option.
    """
    given = dict(options)
    inner = found.inner if found.inner is None else with_options(found.inner, given.pop("balancer", {}))
    return replace(found, options={**found.options, **given}, inner=inner)


def _built(found: Resolved, task_weights: Mapping[str, float]) -> Balancer:
    held = () if found.inner is None else (_built(found.inner, task_weights),)
    balancer: Balancer = replace(found, inner=None).build(*held, **found.cls.defaults(task_weights))
    return balancer


def uses_task_weights(given: str | type[Balancer] | Balancer) -> bool:
    """Return whether a balancer, or one that it wraps, takes its weights from the tasks by default.

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
