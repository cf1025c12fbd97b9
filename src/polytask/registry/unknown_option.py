"""Error for options that a component does not accept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest


def unknown_option_error(
    kind: Callable[..., Any], options: Iterable[str], where: str, error: TypeError, own: Collection[str] = ()
) -> ConfigError:
    """Return an error that names the first unknown option and suggests the nearest known one.

    Args:
        kind: Class of the component.
        options: Names of the options that were given as keyword arguments.
        where: Name of the component in the message.
        error: The exception that Python raised; it is shown if every option name is known.
        own: Parameters of the class that are not options, such as context arguments.

    Example:
        >>> def encoder(width: int, *, depth: int = 1) -> None: ...
        >>> str(unknown_option_error(encoder, ["deph"], "encoder 'mlp'", TypeError(), own=["width"]))
        "encoder 'mlp': these options do not fit (found 'deph'). Did you mean 'depth'? Choose from: depth."
    """
    parameters = inspect.signature(kind).parameters
    foreign = next((option for option in options if option not in parameters), None)
    if foreign is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return ConfigError("these options do not fit", where=where, found=error)
    known = tuple(name for name, parameter in parameters.items() if name not in own and parameter.kind is not parameter.VAR_POSITIONAL)
    return ConfigError("these options do not fit", where=where, found=repr(foreign), remedy=nearest(foreign, known))
