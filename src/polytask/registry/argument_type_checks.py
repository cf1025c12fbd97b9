"""Types of the numeric arguments of components, checked where components are built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from polytask.errors import ConfigError, shown
from polytask.registry.component import GROUPS
from polytask.registry.registered import spec_of

NEEDED: Mapping[str, str] = {"float": "a number", "int": "a whole number"}
PLURAL: Mapping[str, str] = {"float": "numbers", "int": "whole numbers", "str": "names"}
"""What a message calls the types that are checked."""
LARGEST, MOST_MODULES = 2**20, 256
"""Largest whole number that a component of polytask takes, and largest number of modules, each of which is built on its own."""
MODULES = frozenset({"experts", "layers", "levels", "blocks", "nodes", "shared", "private", "split"})
"""Arguments that are numbers of modules."""


class ArgumentTypes:
    """The arguments of a constructor that are annotated as numbers, or as lists or mappings of numbers or names.

    Other arguments, and those whose annotation has another alternative than None, are not checked.

    Args:
        init: Constructor, with `self`.
    """

    def __init__(self, init: Callable[..., None]) -> None:
        self._signature = inspect.signature(init)
        needed = {name: _needed(own.annotation) for name, own in self._signature.parameters.items()}
        self._needed = {name: parts for name, parts in needed.items() if parts is not None}

    def check(self, cls: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:  # noqa: ANN401 - a component
        """Check the arguments of a call, without `self`.

        Args:
            cls: Class of the component.
            arguments: Positional arguments.
            options: Keyword arguments.

        Raises:
            ConfigError: An argument has another type than its annotation.
        """
        names = [*self._signature.parameters][1:]
        for name, value in (*zip(names, arguments, strict=False), *options.items()):
            needed = _misfit(value, *self._needed[name]) if name in self._needed and value is not None else ""
            if needed:
                where = f"{spec_of(cls, cls.component_group or GROUPS[0]).name}, {name}"
                raise ConfigError(f"{needed} is needed", where=where, found=shown(value))
            most = MOST_MODULES if name in MODULES else LARGEST
            if name in self._needed and cls.__module__.startswith("polytask.") and (large := _too_large(value, *self._needed[name], most)):
                where = f"{spec_of(cls, cls.component_group or GROUPS[0]).name}, {name}"
                raise ConfigError(f"a whole number of at most {most} is needed", where=where, found=shown(large))


def _needed(annotation: object) -> tuple[str, str] | None:
    """Return the container of an annotation, empty for a single value, and its innermost type; None if it is not checked."""
    text = annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    text = re.sub(r"\b(?:collections\.abc|typing)\.", "", text).removesuffix(" | None").replace(", ...", "")
    if text in ("float", "int"):
        return "", text
    found = re.fullmatch(r"(Sequence|list|tuple|Mapping|dict)\[(?:str, )?(float|int|str)(?:, \2)*\]", text)
    return found and (found[1], found[2])


def _misfit(value: Any, container: str, kind: str) -> str:  # noqa: ANN401 - what a user gave
    """Return what is needed in place of the value; empty if the value fits."""
    if not container:
        return "" if _fits(value, kind) else NEEDED[kind]
    if container in ("Mapping", "dict"):
        fits = isinstance(value, Mapping) and all(_fits(item, kind) for item in value.values())
        return "" if fits else f"a mapping from names to {PLURAL[kind]}"
    listed = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    return "" if listed and all(_fits(item, kind) for item in value) else f"a list of {PLURAL[kind]}"


def _too_large(value: Any, container: str, kind: str, most: int) -> Any:  # noqa: ANN401
    """Return the first whole number beyond the limit; None if there is none."""
    if kind != "int" or value is None:
        return None
    items = [value] if not container else value.values() if isinstance(value, Mapping) else value
    return next((item for item in items if int(item) > most), None)


def _fits(item: Any, kind: str) -> bool:  # noqa: ANN401
    if kind == "str":
        return isinstance(item, str)
    if kind == "int":
        return isinstance(item, Integral) or (not isinstance(item, str) and hasattr(item, "__index__"))
    return isinstance(item, Real) or (not isinstance(item, str) and hasattr(item, "__float__"))
