"""The names of the columns."""

from __future__ import annotations

from pathlib import Path

from polytask.data.reading.error_locations import location
from polytask.errors import DataError, shown
from polytask.options import ReadingOptions

OTHER_DELIMITERS = {";": ";", "\t": "a tab", "|": "|", ",": ","}


def parse_header(cells: list[str], path: Path, options: ReadingOptions) -> tuple[str, ...]:
    """The names of the columns, without blanks around them, if they can be that.

    Raises:
        DataError: A name is empty, there twice or cannot be printed; there are too many; the delimiter is another.
    """
    names = tuple(cell.strip() for cell in cells)
    where = location(path, 0)
    if not any(names):
        raise DataError("no column has a name", where=where, remedy="The first line names the columns")
    if len(names) == 1:
        for mark, spoken in OTHER_DELIMITERS.items():
            if mark in names[0]:
                raise DataError(
                    "one column only: another delimiter seems to be used",
                    where=where,
                    found=f"{spoken} in {shown(names[0])}",
                    remedy=f"Read it with delimiter={mark!r} (--delimiter)",
                )
    check_column_names(names, where, options.max_columns)
    return names


def check_column_names(names: tuple[str, ...], where: str, max_columns: int) -> None:
    """Refuse names that are empty, there twice or cannot be printed, and more names than `max_columns`."""
    if len(names) > max_columns:
        raise DataError(
            "too many columns",
            where=where,
            found=len(names),
            remedy=f"Raise max_columns above {max_columns} (--set tables.NAME.max_columns=…) if all are meant",
        )
    if "" in names:
        remedy = "Name it; the index of a data frame is left out with index=False"
        raise DataError("a column without a name", where=where, found=f"column {names.index('') + 1} of {len(names)}", remedy=remedy)
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in seen:
            found = f"{shown(name)} at columns {seen[name]} and {number}"
            raise DataError("two columns have one name", where=where, found=found, remedy="Rename one of them")
        if not name.isprintable():
            raise DataError("a name that cannot be printed", where=where, found=f"{shown(name)}, column {number}", remedy="Rename it")
        seen[name] = number
