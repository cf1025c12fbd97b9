"""Import paths of users' functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.importing import attribute_at
from polytask.registry.suggestion import nearest_name


class StoredPath(str):
    """Import path that was read from a file or a text, and is never imported."""

    __slots__ = ()


def function_at(path: str, where: str) -> Callable[..., Any]:
    """Import the function at an import path.

    Args:
        path: Import path, as `package.module:name`.
        where: Location that an error message names.

    Raises:
        ConfigError: There is no such module, importing it fails, or it has no such function.

    Example:
        >>> function_at("math:dist", "example")((0, 0), (3, 4))
        5.0
    """
    module, _, name = path.partition(":")
    try:
        owner = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        remedy = "Install its package, or name its folder with --import-path (in Python: polytask.add_import_path)"
        raise ConfigError("the function cannot be imported", where=where, found=f"{path}: {error}", remedy=remedy) from error
    found = attribute_at(owner, name)
    if not callable(found):
        close = nearest_name(name, [own for own, value in vars(owner).items() if callable(value)])
        remedy = f"Did you mean {close!r}? Write it as package.module:name" if close else "Write it as package.module:name"
        raise ConfigError("the module has no such function", where=where, found=path, remedy=remedy)
    function: Callable[..., Any] = found
    return function


def import_path(function: Any, where: str) -> str:  # noqa: ANN401 - any callable
    """Return the import path of a function, `package.module:name`.

    Args:
        function: Function or other callable object.
        where: Location for the error message.

    Raises:
        ConfigError: The function has no import path: it is a lambda, or defined inside a function or in the main program.

    Example:
        >>> import math
        >>> import_path(math.dist, "task 'price', loss")
        'math:dist'
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    owner: object = None
    if module and name and module != "__main__" and "<" not in name:
        try:
            owner = importlib.import_module(module)
        except ImportError:
            owner = None
    if not name or owner is None or attribute_at(owner, name) is not function:
        remedy = "Define it at the top of a module that can be imported"
        what = "files and worker processes refer to a function by its import path"
        raise ConfigError(what, where=where, found=repr(name or function), remedy=remedy)
    return f"{module}:{name}"
