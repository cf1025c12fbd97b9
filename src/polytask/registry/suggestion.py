"""Suggestions for names that do not exist."""

from __future__ import annotations

import difflib

from polytask.errors import ConfigError


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return a sentence that suggests the known names nearest to an unknown one, and lists all choices.

    All equally near names are suggested; none is suggested if their similarity is below 0.5.

    Args:
        name: The unknown name.
        known: The names to choose from.

    Example:
        >>> nearest("binray", ("binary", "ternary"))
        "Did you mean 'binary'? Choose from: binary, ternary"
    """
    likeness = {other: difflib.SequenceMatcher(None, other.lower(), name.lower()).ratio() for other in known}
    best = max(likeness.values(), default=0.0)
    close = [repr(other) for other, value in likeness.items() if value == best >= 0.5]
    choices = f"Choose from: {', '.join(known)}"
    return f"Did you mean {' or '.join(close)}? {choices}" if close else choices


def check_choice(value: object, known: tuple[str, ...], where: str) -> None:
    """Check that an argument is one of the known names.

    Args:
        value: Value of the argument.
        known: The names to choose from.
        where: Name of the argument.

    Raises:
        ConfigError: It is another value; the message suggests the nearest name.

    Example:
        >>> check_choice("sum", ("mean", "sum"), "reduction")
    """
    if value not in known:
        raise ConfigError(f"unknown {where}", where=where, found=repr(value), remedy=nearest(str(value), known))
