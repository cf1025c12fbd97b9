"""Text of a spreadsheet: its cells as CSV, so that they are read and checked as those of any other table."""

from __future__ import annotations

import csv
import datetime
import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from polytask.data.reading.error_locations import location
from polytask.data.reading.text.expansion import check_expansion
from polytask.errors import ConfigError, DataError, MissingExtraError, PolytaskError, plain, shown
from polytask.options import ReadingOptions
from polytask.options.table_options import SHEET_ENDINGS
from polytask.registry.suggestion import nearest

OF_TEXT: tuple[str, ...] = ("delimiter", "decimal", "thousands", "encoding")
"""Options of text files that a spreadsheet cannot have, since its cells have types."""
AGAIN = "Save it again, or as CSV or Parquet"
LARGEST_WHOLE = 2.0**53
"""Whole numbers below this are written without a point: a spreadsheet keeps all numbers as floats."""


def is_sheet(path: Path) -> bool:
    """Return whether the name of a file is that of a spreadsheet.

    Example:
        >>> is_sheet(Path("sales.XLSX")), is_sheet(Path("sales.csv"))
        (True, False)
    """
    return path.name.lower().endswith(SHEET_ENDINGS)


def sheet_text(path: Path, options: ReadingOptions) -> bytes:
    """Return a sheet as CSV in UTF-8: the first line names the columns; empty rows below the table are left out.

    Formulas have the values that the program has stored with them, and cells with an error are empty.

    Args:
        path: Path of the workbook.
        options: Name of the sheet, and limits.

    Raises:
        MissingExtraError: python-calamine is not installed.
        ConfigError: There is no such sheet, or an option is for text files only.
        DataError: The file is damaged or too large, has a password, or holds several sheets and none is named.
    """
    for name in OF_TEXT:
        if getattr(options, name) != getattr(ReadingOptions, name):
            found = f"{name}={shown(getattr(options, name))}"
            raise ConfigError("this option is for text files", where=str(path), found=found, remedy="Leave it out")
    _check_size(path, options.max_bytes)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_written(cell) for cell in row] for row in _rows(path, options.sheet))
    return text.getvalue().encode("utf-8", "replace")


def _check_size(path: Path, most_bytes: int) -> None:
    """Refuse a file whose parts are larger than is allowed, before any of them is unpacked."""
    held = path.stat().st_size
    with suppress(zipfile.BadZipFile, NotImplementedError, UnicodeError):  # an older format, or damaged, which reading it will say
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        check_expansion(size, held, location(path))
        held = size
    if held > most_bytes:
        remedy = "Raise max_bytes (--set tables.NAME.max_bytes=…) if this size is intended"
        raise DataError("the file is larger than is allowed", where=location(path), found=f"{held} bytes", remedy=remedy)


def _rows(path: Path, sheet: str | None) -> Sequence[Sequence[Any]]:
    """Return the cells of the sheet, without the empty rows at its end."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError
    except ImportError as error:
        raise MissingExtraError("python-calamine is needed", where=str(path), found=error, remedy="pip install 'polytask[excel]'") from None
    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            found = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
            rows: list[list[Any]] = found[_chosen(path, {name: own.height for name, own in found.items()}, sheet)].to_python()
    except PolytaskError:  # some are kinds of ValueError
        raise
    except PasswordError:
        raise DataError("the file has a password", where=location(path), remedy="Save it without one") from None
    except (CalamineError, OSError, ValueError) as error:
        raise DataError("damaged, or not a spreadsheet", where=location(path), found=plain(error, 200), remedy=AGAIN) from None
    while rows and not any(cell != "" for cell in rows[-1]):
        rows.pop()
    return rows


def _chosen(path: Path, heights: dict[str, int], sheet: str | None) -> str:
    """Return the name of the sheet to read: the named one, or the only one that has cells."""
    if sheet is not None:
        if sheet not in heights:
            raise ConfigError("there is no such sheet", where=f"{path}, {sheet!r}", remedy=nearest(sheet, tuple(heights)))
        return sheet
    filled = [name for name, height in heights.items() if height]
    if len(filled) > 1:
        names = ", ".join(map(shown, filled))
        raise DataError("the file holds several sheets", where=location(path), found=names, remedy="Name one of them: --sheet")
    if not heights:
        raise DataError("a workbook without sheets", where=location(path), remedy=AGAIN)
    return next(iter(filled or heights))


def _written(cell: object) -> str:
    """Return the text of a cell that reading it gives its value back.

    Example:
        >>> import datetime
        >>> [_written(cell) for cell in (3.0, 0.1, True, "Rome", "", datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4))]
        ['3', '0.1', 'true', 'Rome', '', '2024-01-02', '2024-01-02T03:04:00']
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < LARGEST_WHOLE:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat()
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)
