"""Builds balancers from a name (`upgrad`, or with wrappers `smooth-weights:upgrad`), an import path, a class or an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from polytask.balancing.balancer import Balancer
from polytask.errors import ConfigError
from polytask.registry import Resolved, nearest
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


def balancer_for_tasks(given: str | type[Balancer] | Balancer, tasks: Sequence[str]) -> Balancer:
    """Build a balancer for tasks of weight 1 from a name, an import path or a class. An object is returned unchanged.

    Args:
        given: Balancer, as for `balancer_named`.
        tasks: Names of all tasks.

    Raises:
        ConfigError: As for `balancer_named`, or an option that names tasks lacks one of them or names another.

    Example:
        >>> balancer_for_tasks("metabalance", ["click", "buy"]).target
        'click'
    """
    found = resolve("balancer", given)
    weights = dict.fromkeys(tasks, 1.0)
    if found.object is not None:
        chosen: Balancer = found.object
        balancer: Balancer | None = chosen
        while balancer is not None:
            for option in type(balancer).defaults(weights):
                _check_names(
                    getattr(balancer, option, None), tasks, f"{type(balancer).__name__}, {option}", all_named=balancer.names_every_task
                )
            balancer = getattr(balancer, "balancer", None)
        return chosen
    component: Resolved | None = found
    while component is not None:
        for option in component.cls.defaults(weights).keys() & component.options.keys():
            _check_names(component.options[option], tasks, f"{component.spec.name}, {option}")
        component = component.inner
    return _built(found, weights)


def _check_names(value: Any, tasks: Sequence[str], where: str, *, all_named: bool = True) -> None:  # noqa: ANN401 - one name, names, or a mapping from names
    if isinstance(value, str):
        named, missing = [value], []
    elif isinstance(value, Sequence | Mapping):
        named, missing = list(value), [task for task in tasks if task not in value]
    else:
        return
    unknown = [name for name in named if name not in tasks]
    if unknown:
        raise ConfigError("unknown task", where=where, found=repr(unknown[0]), remedy=nearest(str(unknown[0]), tuple(tasks)))
    if missing and all_named:
        raise ConfigError("every task must be named", where=where, found=", ".join(map(str, named)) or "none", remedy=f"Add {missing[0]!r}")


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
