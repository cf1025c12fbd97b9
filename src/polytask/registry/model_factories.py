"""Functions and classes that make networks: how users give them, and how files and worker processes refer to them.

A factory is called as `make(tasks=…, seed=…)`, with further options by name. Files store it as its import path with those options:
`mypkg.nets:make(width=64)`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.constructor_calls import spelled_as
from polytask.registry.function_paths import function_at, import_path
from polytask.registry.importing import check_importable, path_of
from polytask.registry.parsing import parse_options
from polytask.registry.resolve import check_paths, described

Factory = Callable[..., Any]
CALLED_WITH = ("tasks", "seed")
"""Arguments that every factory is called with, by name."""
_REMEDY = "Give a function make(tasks, seed) of a module, or its import path: package.module:make"
_WRITTEN = re.compile(r"\s*([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)\s*(\(.*\))?\s*", re.DOTALL)
_loaded: set[str] = set()


def factory_written(given: Any, where: str = "model") -> str:  # noqa: ANN401 - whatever a user gives
    """Return a factory in the form that files store, after checking that it can be imported and called.

    Args:
        given: Function, class, `functools.partial` of one with named options, or import path with options.
        where: Location that an error message names.

    Raises:
        ConfigError: It is none of these, other processes cannot import it, or it does not take the arguments `tasks` and `seed`.

    Example:
        >>> factory_written("collections:Counter(width=3)")
        'collections:Counter(width=3)'
    """
    if isinstance(given, str):
        path, options = read_factory(given, where)
        _check_call(factory_at(path, where), options, f"{where} {given}")
        check_importable(path, where)
        return given
    made, options = (given.func, given.keywords) if isinstance(given, functools.partial) and not given.args else (given, {})
    is_network = hasattr(made, "state_dict") and not isinstance(made, type)
    if is_network or not callable(made):
        what = "every network of a run is a new one" if is_network else "a function that makes networks is needed"
        raise ConfigError(what, where=where, found=described(made), remedy=_REMEDY)
    path = path_of(made) if isinstance(made, type) else import_path(made, where)
    check_importable(path, where)
    _check_call(made, options, f"{where} {path}")
    return spelled_as(path, options)


def read_factory(text: str, where: str = "model") -> tuple[str, dict[str, Any]]:
    """Return the import path and the options of a factory as files store it.

    Raises:
        ConfigError: The text has another form.

    Example:
        >>> read_factory("mypkg.nets:make(width=64)")
        ('mypkg.nets:make', {'width': 64})
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ConfigError("a model is named by an import path", where=where, found=repr(text), remedy="Write it as package.module:make")
    path, inside = found.groups()
    return path, parse_options(f"{path.rpartition(':')[2]}{inside}") if inside else {}


def factory_at(path: str, where: str = "model", components: Collection[Factory] | None = None) -> Factory:
    """Return the factory at an import path.

    Args:
        path: Import path, as `package.module:name`.
        where: Location that an error message names.
        components: Functions and classes that the path may name, so that nothing is imported; `None` imports it.

    Raises:
        ConfigError: It cannot be imported, or is not among `components`.
    """
    if components is not None:
        check_paths([path], components, where)
        return next(one for one in components if path_of(one) == path)
    function = function_at(path, where)
    _loaded.add(path.partition(":")[0].partition(".")[0])
    return function


def packages_of_factories() -> frozenset[str]:
    """Return the names of the packages from which this process has imported factories."""
    return frozenset(_loaded)


def takes_nothing(method: object) -> bool:
    """Return whether an object is a method of a class in Python that can be called without arguments."""
    if not inspect.ismethod(method):
        return False
    try:
        inspect.signature(method).bind()
    except TypeError:
        return False
    return True


def _check_call(factory: Factory, options: dict[str, Any], where: str) -> None:
    """Check that a factory takes `tasks`, `seed` and these options.

    Raises:
        ConfigError: It does not, or needs further arguments.
    """
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some classes of extension modules have none
        return
    try:
        signature.bind(**dict.fromkeys(CALLED_WITH), **options)
    except TypeError as error:
        remedy = "Define it as make(tasks, seed), and give further options by name: package.module:make(width=64)"
        raise ConfigError("a model factory is called with `tasks` and `seed`", where=where, found=error, remedy=remedy) from None
