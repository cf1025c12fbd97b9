"""Import users' classes safely.

Users' code is imported from installed packages, and from folders that the user names. Such folders are appended to `sys.path`, so that
nothing in them can shadow another module.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

LOCAL = "<locals>"
"""Part of the qualified name of a class that is defined in a function."""

POLL_SECONDS = 0.2

_folders: list[str] = []


def add_import_path(folder: str | Path) -> None:
    """Let components be imported from a folder, in this process and in the worker processes of studies.

    The folder is appended to `sys.path`: a module in it never shadows another one.

    Args:
        folder: Folder that contains the modules or packages.

    Raises:
        ConfigError: There is no such folder.
    """
    path = os.path.realpath(folder)
    if not Path(path).is_dir():
        raise ConfigError("this is not a folder", where=f"import path {str(folder)!r}", remedy="Name the folder that contains the module")
    if path not in _folders:
        _folders.append(path)
    if path not in sys.path:
        sys.path.append(path)


def import_paths() -> tuple[str, ...]:
    """Return the real paths of the folders that were added."""
    return tuple(_folders)


def start_worker(parent: int, folders: Sequence[str]) -> None:
    """Prepare a new worker process: it ends with its parent, leaves Ctrl-C to it, and imports only what the parent imports.

    It is called before anything heavy is imported: a parent that is killed while its workers still import PyTorch must not leave them
    behind.

    Args:
        parent: Identifier of the parent process.
        folders: Folders from which the parent imports components.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    set_import_paths(folders)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:  # on POSIX, orphans get another parent
        time.sleep(POLL_SECONDS)
    os._exit(1)


def set_import_paths(folders: Sequence[str]) -> None:
    """Import in this new process only what its parent imports: not from the working folder, but from the folders that were added.

    Args:
        folders: Folders that the parent has added.
    """
    forget_working_folder()
    for folder in folders:
        add_import_path(folder)


def forget_working_folder() -> None:
    """Remove the working folder from `sys.path`, unless the user has put it there: files next to the data must not be imported as code."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """Return `sys.path` without the working folder that Python itself has added.

    Python puts it before the standard library. It is kept if the user has named it, in `PYTHONPATH` or by `add_import_path`.

    Example:
        >>> "" in safe_path()
        False
    """
    here, standard = os.path.realpath(os.curdir), sysconfig.get_path("stdlib")
    named = {os.path.realpath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path} | set(_folders)
    before = sys.path.index(standard) if standard in sys.path else len(sys.path)
    found = enumerate(sys.path)
    return [path for place, path in found if path and (place > before or os.path.realpath(path) != here or here in named)]


def path_of(cls: Callable[..., Any]) -> str:
    """Return the import path of a class or a function, as `package.module:Name`.

    Example:
        >>> path_of(Path)
        'pathlib:Path'
    """
    return f"{cls.__module__}:{cls.__qualname__}"


def is_import_path(text: str) -> bool:
    """Return whether a text has the form of an import path, `package.module:Name`.

    A module without a dot counts only if the name begins with a capital, so that `wrapper:balancer` is not taken for a path.

    Example:
        >>> is_import_path("mypkg.balancers:Mine"), is_import_path("smooth-weights:equal")
        (True, False)
    """
    module, colon, name = text.partition(":")
    parts = [*module.split("."), *(part for part in name.split(".") if part != LOCAL)]
    return bool(colon) and all(part.isidentifier() for part in parts) and ("." in module or name[:1].isupper() or LOCAL in name)


def attribute_at(owner: object, name: str) -> Any:  # noqa: ANN401 - whatever has this name
    """Return the attribute of a dotted name, or None if there is none.

    Example:
        >>> attribute_at(os, "path.join") is os.path.join, attribute_at(os, "path.joined")
        (True, None)
    """
    for part in name.split("."):
        owner = getattr(owner, part, None)
    return owner


def import_class(path: str, where: str) -> Any:  # noqa: ANN401 - a class of any kind
    """Import the class at an import path.

    Args:
        path: Import path, as `package.module:Name`.
        where: Location that an error message names.

    Raises:
        ConfigError: There is no such module, the module has no such class, or importing the module fails.

    Example:
        >>> import_class("fractions:Fraction", "example").__name__
        'Fraction'
    """
    name, _, inside = path.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        remedy = "Install its package, or name its folder with --import-path (in Python: polytask.add_import_path)"
        raise ConfigError("the class cannot be imported", where=where, found=f"{path}: {error}", remedy=remedy) from error
    except Exception as error:
        found = f"{path}: {type(error).__name__}: {error}"
        raise ConfigError("importing the module fails", where=where, found=found, remedy="Import it in Python to see where") from error
    cls = attribute_at(module, inside)
    if not isinstance(cls, type):
        classes = tuple(own for own, value in vars(module).items() if isinstance(value, type) and value.__module__ == name)
        raise ConfigError("the module has no such class", where=where, found=path, remedy=nearest(inside, classes))
    return cls


def check_importable(path: str, where: str) -> None:
    """Raise an error for a class or a function that another process could not import.

    Args:
        path: Import path of the class or function.
        where: Location that an error message names.

    Raises:
        ConfigError: It is defined inside a function, in the main program, or in a module that is only found in the working folder.
    """
    module, _, name = path.partition(":")
    remedy = "Move it to a module, and name it as 'package.module:Name'"
    if LOCAL in name:
        raise ConfigError("a class inside a function cannot be stored or sent to other processes", where=where, found=path, remedy=remedy)
    if module == "__main__":
        raise ConfigError("a class of the main program cannot be stored or sent to other processes", where=where, found=path, remedy=remedy)
    top = module.partition(".")[0]
    if PathFinder.find_spec(top, safe_path()) is None and PathFinder.find_spec(top, [os.path.realpath(os.curdir)]) is not None:
        remedy = "Install its package, or name its folder with --import-path (in Python: polytask.add_import_path('.'))"
        raise ConfigError("worker processes do not import from the working folder", where=where, found=path, remedy=remedy)
