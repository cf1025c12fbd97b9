"""Suggestions for names that do not exist."""

from __future__ import annotations

import difflib


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
