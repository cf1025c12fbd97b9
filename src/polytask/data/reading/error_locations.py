"""Limits of reading, and the format of locations in error messages."""

from __future__ import annotations

from polytask.errors import plain, shown

# Number of bytes of a text file held in memory at a time, and the maximum length of a row.
BLOCK_BYTES = 2**22
# Largest integer up to which float64 represents every integer exactly.
MAX_EXACT_INTEGER = 2**53


def location(where: object, row: int | None = None, column: object = None) -> str:
    """Return the text that names a place in a table.

    Args:
        where: Path or name of the table.
        row: Row number, counted from 1; 0 is the header, and `None` leaves the row out.
        column: Column name; `None` leaves the column out.

    Example:
        >>> location("a.csv", 3, "age")
        "a.csv, row 3, column 'age'"
    """
    # The end of a long path is more informative than its beginning.
    parts = [plain(str(where)[-200:], 200)]
    parts += [] if row is None else [f"row {row}" if row else "header"]
    parts += [] if column is None else [f"column {shown(column)}"]
    return ", ".join(parts)
