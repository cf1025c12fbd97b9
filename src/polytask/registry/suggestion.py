"""What a user may have meant by a name that does not exist."""

from __future__ import annotations

import difflib


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return a sentence that names what the user may have meant; all of those that are equally near.

    Example:
        >>> nearest("binray", ("binary", "ternary"))
        "Did you mean 'binary'? Choose from: binary, ternary"
    """
    likeness = {other: difflib.SequenceMatcher(None, other.lower(), name.lower()).ratio() for other in known}
    best = max(likeness.values(), default=0.0)
    close = [repr(other) for other, value in likeness.items() if value == best >= 0.5]
    choices = f"Choose from: {', '.join(known)}"
    return f"Did you mean {' or '.join(close)}? {choices}" if close else choices
