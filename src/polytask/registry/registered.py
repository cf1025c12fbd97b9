"""Looking components up by name: those of polytask, those registered while the program runs, and those of installed packages.

A package offers components by entry points of the group `polytask.components`, whose names say what they are and what they are called:

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
from polytask.registry.component import GROUPS, ComponentSpec, kebab
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
)
ONE_NAMESPACE = ("balancer", "balancer wrapper")
"""Groups whose names stand in the same places, so that none may be in two of them."""

_registered: dict[tuple[str, str], ComponentSpec] = {}
_classes: dict[str, type] = {}
"""Classes that were given as such, by their import path: some cannot be imported, as those of a notebook."""


@cache
def shipped() -> tuple[ComponentSpec, ...]:
    """The components of polytask, group by group."""
    modules = (importlib.import_module(f"polytask.registry.catalogue.{table}") for table in TABLES)
    return tuple(spec for module in modules for spec in module.SPECS)


@cache
def installed() -> tuple[ComponentSpec, ...]:
    """The components that installed packages offer. Nothing of theirs is imported before it is used."""
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        group, _, name = point.name.rpartition(".")
        group = group.replace("-", " ")
        if group in GROUPS and kebab(name) == name:
            package = "" if point.dist is None else f" of the package {point.dist.name}"
            found.append(ComponentSpec(group, name, point.value.replace(" ", ""), f"{point.value}{package}"))
    return tuple(found)


def all_specs() -> tuple[ComponentSpec, ...]:
    """Every component that can be named."""
    taken = {(spec.group, spec.name) for spec in (*shipped(), *_registered.values())}
    return (*shipped(), *_registered.values(), *(spec for spec in installed() if (spec.group, spec.name) not in taken))


def specs_of(group: str) -> tuple[ComponentSpec, ...]:
    """The components of one group."""
    return tuple(spec for spec in all_specs() if spec.group == group)


def names(group: str) -> tuple[str, ...]:
    """The registry names of one group."""
    return tuple(dict.fromkeys(spec.name for spec in specs_of(group)))


def find(group: str, name: str) -> ComponentSpec:
    """Return the component of that name.

    Raises:
        ConfigError: There is none (the message suggests the nearest), or two packages offer different ones.

    Example:
        >>> find("balancer", "equal").target
        'polytask.balancing.loss_based.equal:Equal'
    """
    found = [spec for spec in specs_of(group) if spec.name == name]
    if not found:
        raise ConfigError(f"unknown {group}", where=name, remedy=nearest(name, names(group)))
    if len({spec.target for spec in found}) > 1:
        both = " and ".join(spec.summary for spec in found)
        raise ConfigError(f"two packages offer a {group} of this name", where=name, found=both, remedy="Uninstall one of them")
    return found[0]


def register(group: str, name: str, component: str | type) -> None:
    """Make a component available by name, everywhere that components of its group are named.

    The workers of studies are told of it. For these, and for results that are read later, it must be possible to import the class.

    Args:
        group: What it is: `balancer`, `encoder`, `architecture`, `task kind`, `balancer wrapper`, `sampler`, `data set` or `callback`.
        name: In lower case, with hyphens between words.
        component: The class, or its import path `package.module:Name`, which is imported on use.

    Raises:
        ConfigError: The name is taken or not in that form; an unknown group; something that is neither a class nor an import path.

    Example:
        >>> register("balancer", "equal", "mypkg.balancers:Mine")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        polytask.errors.ConfigError: register, 'equal': this name is taken ...
    """
    where = f"register, {name!r}"
    if isinstance(component, type):
        spec = replace(spec_of(component, group), group=group, name=name)
    elif isinstance(component, str) and is_import_path(component):
        spec = ComponentSpec(group, name, component, component)
    else:
        remedy = "Give a class, or its import path as 'package.module:Name'"
        raise ConfigError("this is neither a class nor an import path", where=where, found=repr(component), remedy=remedy)
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
    """What has been registered while this program runs: a worker process is told of it."""
    return tuple(_registered.values())


def take_over(specs: Sequence[ComponentSpec]) -> None:
    """Register what another process has registered."""
    _registered.update({(spec.group, spec.name): spec for spec in specs})


def spec_of(cls: type, group: str) -> ComponentSpec:
    """Return what a class declares: its row in a table, its attribute `spec`, or the least that can be said of it.

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
    """Return what a component is called where it is written: its registry name, or its import path if it is not registered.

    Example:
        >>> written_name(find("balancer", "equal")), written_name(ComponentSpec("balancer", "mine", "mypkg.mod:Mine"))
        ('equal', 'mypkg.mod:Mine')
    """
    known = {(other.group, other.name, other.target) for other in all_specs()}
    return spec.name if (spec.group, spec.name, spec.target) in known else spec.target


def load(spec: ComponentSpec) -> Any:  # noqa: ANN401 - a class of whichever kind the group holds
    """Import the class of a component.

    Raises:
        ConfigError: Its module or its name in it does not exist, or importing it fails.

    Example:
        >>> load(find("balancer", "equal")).__name__
        'Equal'
    """
    return class_at(spec.target, f"{spec.group} {spec.name!r}")


def class_at(path: str, where: str) -> Any:  # noqa: ANN401
    """Return the class of an import path; one that was given as a class need not be importable.

    Raises:
        ConfigError: It cannot be imported.
    """
    return _classes[path] if path in _classes else import_class(path, where)


def remember(cls: type) -> None:
    """Let a class be found by its path in this process, also where it cannot be imported, as one in a function."""
    if LOCAL in cls.__qualname__:
        _classes[path_of(cls)] = cls
