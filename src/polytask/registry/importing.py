"""Classes of users: where they are defined, and how they are imported without opening the door to anything else.

Users' code comes from installed packages, and from folders that the user names. Such folders stand last on `sys.path`, so that nothing in
them can take the place of another module.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

LOCAL = "<locals>"
"""Stands in the path of a class that is defined in a function."""

_folders: list[str] = []


def add_import_path(folder: str | Path) -> None:
    """Let components be imported from a folder, here and in the worker processes of studies.

    It comes last on `sys.path`: a module in it never takes the place of another one.

    Raises:
        ConfigError: There is no such folder.
    """
    path = os.path.realpath(folder)
    if not Path(path).is_dir():
        raise ConfigError("this is no folder", where=f"import path {str(folder)!r}", remedy="Name the folder that the module lies in")
    if path not in _folders:
        _folders.append(path)
    if path not in sys.path:
        sys.path.append(path)


def import_paths() -> tuple[str, ...]:
    """The folders that were added."""
    return tuple(_folders)


def forget_working_folder() -> None:
    """Take the working folder off `sys.path`, unless the user has put it there: what lies beside the data is no program."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """Return `sys.path` without the working folder where Python itself has put it: before the standard library, and not in `PYTHONPATH`.

    Example:
        >>> "" in safe_path()
        False
    """
    here, standard = os.path.realpath(os.curdir), sysconfig.get_path("stdlib")
    named = {os.path.realpath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path} | set(_folders)
    before = sys.path.index(standard) if standard in sys.path else len(sys.path)
    found = enumerate(sys.path)
    return [path for place, path in found if path and (place > before or os.path.realpath(path) != here or here in named)]


def path_of(cls: type) -> str:
    """Return where a class is defined, as `package.module:Name`.

    Example:
        >>> path_of(Path)
        'pathlib:Path'
    """
    return f"{cls.__module__}:{cls.__qualname__}"


def is_import_path(text: str) -> bool:
    """Return whether a text has the form `package.module:Name`.

    Example:
        >>> is_import_path("mypkg.balancers:Mine"), is_import_path("smooth-weights:equal")
        (True, False)
    """
    module, colon, name = text.partition(":")
    parts = [*module.split("."), *(part for part in name.split(".") if part != LOCAL)]
    return bool(colon) and all(part.isidentifier() for part in parts) and ("." in module or name[:1].isupper() or LOCAL in name)


def import_class(path: str, where: str) -> Any:  # noqa: ANN401 - a class of any kind
    """Import what stands at `package.module:Name`.

    Raises:
        ConfigError: There is no such module, no such class in it, or importing it fails.

    Example:
        >>> import_class("fractions:Fraction", "example").__name__
        'Fraction'
    """
    name, _, inside = path.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        remedy = "Install its package, or name its folder with --import-path (in Python: polytask.add_import_path)"
        raise ConfigError("it cannot be imported", where=where, found=f"{path}: {error}", remedy=remedy) from error
    except Exception as error:
        found = f"{path}: {type(error).__name__}: {error}"
        raise ConfigError("importing it fails", where=where, found=found, remedy="Import it in Python to see where") from error
    cls: Any = module
    for part in inside.split("."):
        cls = getattr(cls, part, None)
    if not isinstance(cls, type):
        classes = tuple(own for own, value in vars(module).items() if isinstance(value, type) and value.__module__ == name)
        raise ConfigError("the module has no such class", where=where, found=path, remedy=nearest(inside, classes))
    return cls


def check_importable(path: str, where: str) -> None:
    """Refuse a class that another process could not import.

    Raises:
        ConfigError: It stands inside a function, in the main program, or in a module that only the working folder has.
    """
    module, _, name = path.partition(":")
    remedy = "Move it to a module of its own, and name that as 'package.module:Name'"
    if LOCAL in name:
        raise ConfigError("a class inside a function cannot be stored or sent to other processes", where=where, found=path, remedy=remedy)
    if module == "__main__":
        raise ConfigError("a class of the main program cannot be stored or sent to other processes", where=where, found=path, remedy=remedy)
    top = module.partition(".")[0]
    if PathFinder.find_spec(top, safe_path()) is None and PathFinder.find_spec(top, [os.path.realpath(os.curdir)]) is not None:
        remedy = "Install its package, or allow the folder: polytask.add_import_path('.')"
        raise ConfigError("worker processes do not import from the working folder", where=where, found=path, remedy=remedy)
