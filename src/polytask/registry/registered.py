"""Look up components by name: those of polytask, those registered at run time, and those of installed packages.

A package offers components as entry points of the group `polytask.components`. The name of an entry point is `group.name`, with a hyphen
for a space in the group:

    [project.entry-points."polytask.components"]
    "balancer.mine" = "mypkg.balancers:Mine"
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.component import BASES, GROUPS, ComponentSpec, group_called, kebab
from polytask.registry.importing import LOCAL, import_class, is_import_path, path_of
from polytask.registry.suggestion import nearest

ENTRY_POINTS = "polytask.components"
TABLES = (
    "task_kinds",
    "encoders",
    "architectures",
    "balancers_from_losses",
    "balancers_from_gramians",
    "balancers_with_memory",
    "balancers_with_look_ahead",
    "balancer_wrappers",
    "samplers",
    "datasets",
    "callbacks",
    "loggers",
    "baselines",
)
ONE_NAMESPACE = ("balancer", "balancer wrapper", "baseline")
"""Groups that share one namespace, because users write their names in the same places."""

_registered: dict[tuple[str, str], ComponentSpec] = {}
_classes: dict[str, type] = {}
"""Classes that were given as objects, by their import path; some of them cannot be imported, such as those of a notebook."""


@cache
def shipped() -> tuple[ComponentSpec, ...]:
    """Return the specifications of polytask's own components, group by group."""
    modules = (importlib.import_module(f"polytask.registry.catalogue.{table}") for table in TABLES)
    return tuple(spec for module in modules for spec in module.SPECS)


@cache
def installed() -> tuple[ComponentSpec, ...]:
    """Return the specifications of the components that installed packages offer. None of their code is imported before it is used."""
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        group, _, name = point.name.rpartition(".")
        group = group.replace("-", " ")
        if group in GROUPS and kebab(name) == name:
            package = "" if point.dist is None else f" of the package {point.dist.name}"
            found.append(ComponentSpec(group, name, point.value.replace(" ", ""), f"{point.value}{package}"))
    return tuple(found)


def all_specs() -> tuple[ComponentSpec, ...]:
    """Return the specifications of all components that can be named."""
    taken = {(spec.group, spec.name) for spec in (*shipped(), *_registered.values())}
    return (*shipped(), *_registered.values(), *(spec for spec in installed() if (spec.group, spec.name) not in taken))


def specs_of(group: str) -> tuple[ComponentSpec, ...]:
    """Return the specifications of the components of one group, with hyphens or spaces between its words.

    Raises:
        ConfigError: There is no such group; the message suggests the nearest.
    """
    group = group_called(group)
    return tuple(spec for spec in all_specs() if spec.group == group)


def names(group: str) -> tuple[str, ...]:
    """Return the registry names of one group, with hyphens or spaces between its words.

    Raises:
        ConfigError: There is no such group; the message suggests the nearest.

    Example:
        >>> names("data-set") == names("data set")
        True
    """
    return tuple(dict.fromkeys(spec.name for spec in specs_of(group)))


def find(group: str, name: str) -> ComponentSpec:
    """Return the specification of the component with a registry name.

    Args:
        group: Group to search, one of `polytask.registry.component.GROUPS`; hyphens may stand for spaces.
        name: Registry name.

    Raises:
        ConfigError: There is no such component (the message suggests the nearest), or two packages offer different ones.

    Example:
        >>> find("balancer", "equal").target
        'polytask.balancing.loss_based.equal:Equal'
    """
    group = group_called(group)
    found = [spec for spec in specs_of(group) if spec.name == name]
    if not found:
        raise ConfigError(f"unknown {group}", where=name, remedy=nearest(name, names(group)))
    if len({spec.target for spec in found}) > 1:
        both = " and ".join(spec.summary for spec in found)
        raise ConfigError(f"two packages offer a {group} of this name", where=name, found=both, remedy="Uninstall one of them")
    return found[0]


def register(group: str, name: str, component: str | type) -> None:
    """Register a component, so that it can be used by name wherever components of its group can.

    The worker processes of studies receive the registration as well. For these, and for results that are loaded later, it must be possible
    to import the class.

    Args:
        group: `balancer`, `encoder`, `architecture`, `task-kind`, `balancer-wrapper`, `sampler`, `data-set`, `callback`
            or `baseline`.
        name: Registry name: lower case, with hyphens between words.
        component: The class, or its import path `package.module:Name`, which is imported on use.

    Raises:
        ConfigError: The name is taken or malformed, the group is unknown, or the component is neither a class of this group nor an
            import path.

    Example:
        >>> register("balancer", "equal", "mypkg.balancers:Mine")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        polytask.errors.ConfigError: register, 'equal': this name is taken ...
    """
    where, group = f"register, {name!r}", group_called(group)
    if isinstance(component, type):
        base = import_class(BASES[group], where)
        if not issubclass(component, base):
            found, remedy = f"the class {component.__name__}", f"Derive it from {base.__name__}"
            raise ConfigError(f"a class of the group {group.replace(' ', '-')} is needed", where=where, found=found, remedy=remedy)
        spec = replace(spec_of(component, group), group=group, name=name)
    elif isinstance(component, str) and is_import_path(component):
        spec = ComponentSpec(group, name, component, component)
    else:
        remedy = "Give a class, or its import path as 'package.module:Name'"
        raise ConfigError("the component must be a class or an import path", where=where, found=repr(component), remedy=remedy)
    groups = ONE_NAMESPACE if group in ONE_NAMESPACE else (group,)
    same = [other for other in all_specs() if other.group in groups and other.name == name]
    for other in same:
        if other.target != spec.target:
            raise ConfigError("this name is taken", where=where, found=other.target, remedy="Choose another name")
    if not same:
        _registered[group, name] = spec
    if isinstance(component, type):
        _classes[spec.target] = component


def registrations() -> tuple[ComponentSpec, ...]:
    """Return the specifications that were registered at run time, for transfer to a worker process."""
    return tuple(_registered.values())


def take_over(specs: Sequence[ComponentSpec]) -> None:
    """Add the registrations of another process to those of this one."""
    _registered.update({(spec.group, spec.name): spec for spec in specs})


def spec_of(cls: type, group: str) -> ComponentSpec:
    """Return the specification of a class: that of the catalogue, else its attribute `spec`, else one derived from its name and docstring.

    Group and name of a registered class are those of its registration.

    Example:
        >>> class Mine:
        ...     "Adds up squares."
        >>> spec_of(Mine, "balancer").name, spec_of(Mine, "balancer").summary
        ('mine', 'Adds up squares.')
    """
    path = path_of(cls)
    known = next((spec for spec in all_specs() if spec.target == path), None)
    if known in shipped():
        return known
    own = vars(cls).get("spec")
    if not isinstance(own, ComponentSpec):
        summary = (cls.__doc__ or cls.__name__).strip().splitlines()[0]
        own = ComponentSpec(group, kebab(cls.__name__), path, summary)
    named = own if known is None else known
    return replace(own, target=path, group=named.group, name=named.name)


def written_name(spec: ComponentSpec) -> str:
    """Return the name to write for a component: its registry name, or its import path if it is not registered.

    Example:
        >>> written_name(find("balancer", "equal")), written_name(ComponentSpec("balancer", "mine", "mypkg.mod:Mine"))
        ('equal', 'mypkg.mod:Mine')
    """
    known = {(other.group, other.name, other.target) for other in all_specs()}
    return spec.name if (spec.group, spec.name, spec.target) in known else spec.target


def load_class(spec: ComponentSpec) -> Any:  # noqa: ANN401 - a class of whichever kind the group holds
    """Import the class of a component.

    Raises:
        ConfigError: The module or its class does not exist, or importing the module fails.

    Example:
        >>> load_class(find("balancer", "equal")).__name__
        'Equal'
    """
    return class_at(spec.target, f"{spec.group} {spec.name!r}")


def class_at(path: str, where: str) -> Any:  # noqa: ANN401
    """Return the class at an import path. A class that was given as an object before need not be importable.

    Args:
        path: Import path, as `package.module:Name`.
        where: Location that an error message names.

    Raises:
        ConfigError: The class cannot be imported.
    """
    return _classes[path] if path in _classes else import_class(path, where)


def remember_as(path: str, cls: type) -> type:
    """Let a class be found in this process at the import path of the function or class that it adapts, and return the class found there."""
    return _classes.setdefault(path, cls)


def is_remembered(path: str) -> bool:
    """Return whether the class at an import path was given as an object, or adapts a function, in this process."""
    return path in _classes


def remember(cls: type) -> None:
    """Let a class that is defined in a function be found by its path in this process, although it cannot be imported."""
    if LOCAL in cls.__qualname__:
        _classes[path_of(cls)] = cls
