"""Errors that the user's own components raise, told apart from bugs of polytask."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import polytask
from polytask.registry import Component
from polytask.registry.model_factories import packages_of_factories

FRAME = re.compile(r'File "([^"]+)", line (\d+)')
REMOTE = "_RemoteTraceback"
"""Name of the exception that holds the text of a worker's traceback, as the cause of what the worker raised."""


def users_line(error: BaseException) -> str:
    """Return the module and the line of a user's component that raised an error; empty if the innermost of the two is polytask.

    Libraries that the component calls are passed over: what they raise is due to how they were called.

    Args:
        error: The error, raised in this process or in a worker.

    Example:
        >>> users_line(ZeroDivisionError())
        ''
    """
    remote = error.__cause__ if type(error.__cause__).__name__ == REMOTE else None
    text = str(remote) if remote is not None else "".join(traceback.format_exception(error, chain=False))
    own, users = Path(polytask.__file__).resolve().parent, _files_of_users()
    for file, line in reversed(FRAME.findall(text)):
        path = Path(file).resolve()
        if path in users:
            return f"{users[path]}, line {line}"
        if path.is_relative_to(own):
            return ""
    return ""


def _files_of_users() -> Mapping[Path, str]:
    """Return the loaded modules, by file, of the packages that define components, other than polytask."""
    packages = {cls.__module__.partition(".")[0] for cls in _derived(Component)} - {"polytask"} | packages_of_factories()
    modules = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    return {Path(file).resolve(): name for name, file in modules if file and name.partition(".")[0] in packages}


def _derived(cls: type) -> Iterator[type]:
    found: list[type] = type.__subclasses__(cls)
    for derived in found:
        yield derived
        yield from _derived(derived)
