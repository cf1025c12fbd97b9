"""Functions of users that make networks or train them: how they are given, and how files and worker processes refer to them.

A factory is called as `make(tasks=…, seed=…)` and a training function as `train(request)`, with further options by name. Files store it
as its import path with those options: `mypkg.nets:make(width=64)`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.constructor_calls import spelled_as
from polytask.registry.function_paths import function_at, import_path
from polytask.registry.importing import check_importable, path_of
from polytask.registry.parsing import parse_options
from polytask.registry.resolve import check_paths, described

Factory = Callable[..., Any]


@dataclass(frozen=True)
class CallForm:
    """How a function of a user is called.

    Attributes:
        option: Name of the option that the function is given as.
        noun: What the function is, for messages.
        purpose: What it does.
        signature: How to define it.
        by_name: Arguments that it is called with by name.
        by_position: Number of arguments that it is called with by position.
    """

    option: str
    noun: str
    purpose: str
    signature: str
    by_name: tuple[str, ...] = ()
    by_position: int = 0

    @property
    def example(self) -> str:
        """Import path of such a function."""
        return f"package.module:{self.signature.partition('(')[0]}"


MODEL_FACTORY = CallForm("model", "model", "makes networks", "make(tasks, seed)", by_name=("tasks", "seed"))
TRAINING_FUNCTION = CallForm("train", "training function", "trains", "train(request)", by_position=1)
_WRITTEN = re.compile(r"\s*([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)\s*(\(.*\))?\s*", re.DOTALL)
_loaded: set[str] = set()


def factory_written(given: Any, form: CallForm = MODEL_FACTORY) -> str:  # noqa: ANN401 - whatever a user gives
    """Return a factory or a training function in the form that files store, after checking that it can be imported and called.

    Args:
        given: Function, class, `functools.partial` of one with named options, or import path with options.
        form: How it is called.

    Raises:
        ConfigError: It is none of these, other processes cannot import it, or it does not take the arguments.

    Example:
        >>> factory_written("collections:Counter(width=3)")
        'collections:Counter(width=3)'
    """
    where = form.option
    if isinstance(given, str):
        path, options = read_factory(given, where)
        _check_call(factory_at(path, where), options, f"{where} {given}", form)
        check_importable(path, where)
        return given
    made, options = (given.func, given.keywords) if isinstance(given, functools.partial) and not given.args else (given, {})
    is_network = hasattr(made, "state_dict") and not isinstance(made, type)
    if is_network or not callable(made):
        what = "every network of a run is a new one" if is_network else f"a function that {form.purpose} is needed"
        remedy = f"Give a function {form.signature} of a module, or its import path: {form.example}"
        raise ConfigError(what, where=where, found=described(made), remedy=remedy)
    path = path_of(made) if isinstance(made, type) else import_path(made, where)
    check_importable(path, where)
    _check_call(made, options, f"{where} {path}", form)
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
        form = TRAINING_FUNCTION if where == TRAINING_FUNCTION.option else MODEL_FACTORY
        what, remedy = f"a {form.noun} is named by an import path", f"Write it as {form.example}"
        raise ConfigError(what, where=where, found=repr(text), remedy=remedy)
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


def _check_call(factory: Factory, options: dict[str, Any], where: str, form: CallForm) -> None:
    """Check that a factory or a training function takes its arguments and these options.

    Raises:
        ConfigError: It does not, or needs further arguments.
    """
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some classes of extension modules have none
        return
    try:
        signature.bind(*[None] * form.by_position, **dict.fromkeys(form.by_name), **options)
    except TypeError as error:
        remedy = f"Define it as {form.signature}, and give further options by name: {form.example}(width=64)"
        arguments = " and ".join(f"`{name}`" for name in form.by_name) or "a request"
        article = "a model factory" if form is MODEL_FACTORY else f"a {form.noun}"
        raise ConfigError(f"{article} is called with {arguments}", where=where, found=error, remedy=remedy) from None
