"""Clean names and sentences from data, so that terminals and browsers show them without interpreting them."""

from __future__ import annotations

import re
import unicodedata

ESCAPE_SEQUENCES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)")
WHITESPACE = re.compile(r"\s+")
# Control characters, invisible format characters (such as changes of direction), halves of surrogate pairs.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})


def clean_text(text: object) -> str:
    r"""Return a text on one line, without escape sequences, control characters and changes of direction.

    HTML and Rich's markup are not escaped: autoescape in the templates and `rich.text.Text` do that.

    Args:
        text: Any object; it is converted to text first.

    Example:
        >>> clean_text("a\x1b[31mred\x1b[0m\ntask\u202e")
        'ared task'
    """
    seen = [
        letter
        for letter in ESCAPE_SEQUENCES.sub("", str(text))
        if letter.isspace() or unicodedata.category(letter) not in INVISIBLE_CATEGORIES
    ]
    return WHITESPACE.sub(" ", "".join(seen))
