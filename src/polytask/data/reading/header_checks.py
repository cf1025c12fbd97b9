"""Checks of column names."""

from __future__ import annotations

from pathlib import Path

from polytask.data.reading.error_locations import location
from polytask.errors import DataError, shown
from polytask.options import ReadingOptions

OTHER_DELIMITERS = {";": ";", "\t": "a tab", "|": "|", ",": ","}


def parse_header(cells: list[str], path: Path, options: ReadingOptions) -> tuple[str, ...]:
    """Return the column names in a header row, stripped of surrounding blanks.

    Args:
        cells: Cells of the header row.
        path: Path of the file, for messages.
        options: Options with the maximum number of columns.

    Raises:
        DataError: A name is empty, duplicate or not printable; there are too many columns; or the file uses another delimiter.
    """
    names = tuple(cell.strip() for cell in cells)
    where = location(path, 0)
    if not any(names):
        raise DataError("no column has a name", where=where, remedy="Name the columns in the first line")
    if len(names) == 1:
        for mark, spoken in OTHER_DELIMITERS.items():
            if mark in names[0]:
                raise DataError(
                    "only one column: the file seems to use another delimiter",
                    where=where,
                    found=f"{spoken} in {shown(names[0])}",
                    remedy=f"Read it with delimiter={mark!r} (--delimiter)",
                )
    check_column_names(names, where, options.max_columns)
    return names


def check_column_names(names: tuple[str, ...], where: str, max_columns: int) -> None:
    """Check that column names are non-empty, unique and printable, and that there are at most `max_columns` of them.

    Raises:
        DataError: A check fails.
    """
    if len(names) > max_columns:
        raise DataError(
            "too many columns",
            where=where,
            found=len(names),
            remedy=f"Raise max_columns above {max_columns} (--set tables.NAME.max_columns=…) if all of them are intended",
        )
    if "" in names:
        remedy = "Name it; to write a data frame without its index, use index=False"
        raise DataError("a column without a name", where=where, found=f"column {names.index('') + 1} of {len(names)}", remedy=remedy)
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in seen:
            found = f"{shown(name)} at columns {seen[name]} and {number}"
            raise DataError("two columns have the same name", where=where, found=found, remedy="Rename one of them")
        if not name.isprintable():
            raise DataError("a name that cannot be printed", where=where, found=f"{shown(name)}, column {number}", remedy="Rename it")
        seen[name] = number
