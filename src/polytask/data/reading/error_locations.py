"""Limits of reading, and how places in a table are named."""

from __future__ import annotations

from polytask.errors import plain, shown

# What the reader holds of a text file at any moment, and the longest row it can understand.
BLOCK_BYTES = 2**22
# The largest integer up to which every integer is a float64 of its own.
MAX_EXACT_INTEGER = 2**53


def location(where: object, row: int | None = None, column: object = None) -> str:
    """Where something was found; rows of data count from 1, and the header is row 0.

    Example:
        >>> location("a.csv", 3, "age")
        "a.csv, row 3, column 'age'"
    """
    # Of a long path the end says more than the beginning.
    parts = [plain(str(where)[-200:], 200)]
    parts += [] if row is None else [f"row {row}" if row else "header"]
    parts += [] if column is None else [f"column {shown(column)}"]
    return ", ".join(parts)
