"""Names and sentences from data, made safe to show: no character that a terminal or a browser would obey."""

from __future__ import annotations

import re
import unicodedata

ESCAPE_SEQUENCES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)")
WHITESPACE = re.compile(r"\s+")
# Control characters, invisible format characters (changes of direction among them), halves of surrogate pairs.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})


def clean_text(text: object) -> str:
    """The text on one line, without escape sequences, control characters and changes of direction.

    It does not escape HTML or Rich's markup: the template's autoescape does the first, `rich.text.Text` the second.

    Args:
        text: Anything; it is turned into text first.

    Example:
        >>> clean_text("a\\x1b[31mred\\x1b[0m\\ntask\\u202e")
        'ared task'
    """
    seen = [
        letter
        for letter in ESCAPE_SEQUENCES.sub("", str(text))
        if letter.isspace() or unicodedata.category(letter) not in INVISIBLE_CATEGORIES
    ]
    return WHITESPACE.sub(" ", "".join(seen))
