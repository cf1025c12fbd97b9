"""What is said of options that a component does not take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest


def misfit(kind: Callable[..., Any], options: Iterable[str], where: str, error: TypeError, own: Collection[str] = ()) -> ConfigError:
    """An error that names the first option that a component has not, and what may have been meant.

    Args:
        kind: The component's class.
        options: That it was given by name.
        where: What it is called in the message.
        error: What Python said: told where every name is one that the component knows.
        own: Parameters that are no options.

    Example:
        >>> def encoder(width: int, *, depth: int = 1) -> None: ...
        >>> str(misfit(encoder, ["deph"], "encoder 'mlp'", TypeError(), own=["width"]))
        "encoder 'mlp': these options do not fit (found 'deph'). Did you mean 'depth'? Choose from: depth."
    """
    parameters = inspect.signature(kind).parameters
    foreign = next((option for option in options if option not in parameters), None)
    if foreign is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return ConfigError("these options do not fit", where=where, found=error)
    known = tuple(name for name, parameter in parameters.items() if name not in own and parameter.kind is not parameter.VAR_POSITIONAL)
    return ConfigError("these options do not fit", where=where, found=repr(foreign), remedy=nearest(foreign, known))
