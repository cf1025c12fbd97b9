"""Suggestions for names that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from polytask.errors import ConfigError

LEAST_LIKENESS = 0.5
"""Similarity, as a share, from which a name is suggested."""


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
    close = [repr(other) for other, value in likeness.items() if value == best >= LEAST_LIKENESS]
    choices = f"Choose from: {', '.join(known)}"
    return f"Did you mean {' or '.join(close)}? {choices}" if close else choices


def nearest_name(name: str, known: Sequence[str]) -> str:
    """Return the known name nearest to another name; empty if no similarity is at least 0.5.

    Args:
        name: The name that is looked for.
        known: The names to choose from.

    Example:
        >>> nearest_name("prediction", ["predicted", "y"]), nearest_name("unit", ["y"])
        ('predicted', '')
    """
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=LEAST_LIKENESS)), "")


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
