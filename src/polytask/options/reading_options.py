"""Options for reading table files, with limits on their size."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from polytask.errors import ConfigError, shown
from polytask.options.values.date_format import EXAMPLE, DateFormat
from polytask.options.values.number_format import NumberFormat


@final
@dataclass(frozen=True)
class ReadingOptions:
    """Options for reading a table file, with limits on its size.

    Attributes:
        delimiter: Character that separates cells; `None` means a tab in .tsv files and a comma elsewhere.
        encoding: Text encoding, by its Python name.
        na_values: Values to treat as missing, in addition to empty cells; surrounding blanks are ignored.
        categorical: Columns to read as categories, even if every cell looks like a number or a date.
        text: Columns to read as texts, likewise.
        decimal: Decimal sign of the numbers in text files, a point or a comma.
        thousands: Separator of thousands in text files; `None` if there is none.
        date_formats: Format of the dates of a column in text files, in the notation of `strptime`; see `DateFormat`. Without one, dates
            are ISO 8601, or of another form that all cells of the column have and that leaves no doubt about day and month.
        sheet: Name of the sheet of a spreadsheet; `None` reads the only one that has cells.
        max_columns: Reject a table with more columns than this.
        max_bytes: Reject a table with more bytes than this, once decompressed.
        max_field_bytes: Reject a cell with more bytes than this.

    Raises:
        ConfigError: An option has an invalid value.

    Example:
        >>> ReadingOptions(na_values=("NA", "?")).delimiter is None
        True
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    na_values: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str | None = None
    date_formats: Mapping[str, str] = field(default_factory=dict)
    sheet: str | None = None
    max_columns: int = 10_000
    max_bytes: int = 4 * 2**30
    max_field_bytes: int = 100_000

    def __post_init__(self) -> None:
        self._check_delimiter()
        for name in ("na_values", "categorical", "text"):
            texts = getattr(self, name)
            if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
                raise ConfigError("a tuple of strings is needed", where=name, found=shown(texts), remedy=f'Write {name}=("NA",)')
        for name in self.text:
            if name in self.categorical:
                raise ConfigError("a column is read either as categories or as texts", where="text", found=shown(name))
        for limit in ("max_columns", "max_bytes", "max_field_bytes"):
            value = getattr(self, limit)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError("a positive integer is needed", where=limit, found=shown(value))
        self._check_formats()
        try:
            codecs.lookup(self.encoding)
            "".encode(self.encoding)
        except (LookupError, TypeError, ValueError):
            raise ConfigError("unknown text encoding", where="encoding", found=shown(self.encoding), remedy="Try utf-8, cp1252") from None

    @property
    def number_format(self) -> NumberFormat:
        """Format of the numbers in text files."""
        return NumberFormat(self.decimal, self.thousands)

    def _check_formats(self) -> None:
        NumberFormat(self.decimal, self.thousands)  # checks both
        if not isinstance(self.date_formats, Mapping):
            raise ConfigError("a format per column is needed", where="date_formats", found=shown(self.date_formats))
        for name, text in self.date_formats.items():
            if not isinstance(text, str):
                raise ConfigError("a date format is a text", where=f"date_formats, {shown(name)}", found=shown(text), remedy=EXAMPLE)
            try:
                DateFormat(text)
            except ConfigError as error:
                raise ConfigError(error.what, where=f"date_formats, {name!r}", found=error.found, remedy=error.remedy) from None
            if name in self.as_written:
                raise ConfigError("a column of dates is read neither as categories nor as texts", where="date_formats", found=shown(name))

    @property
    def as_written(self) -> tuple[str, ...]:
        """Columns whose cells are read as strings, whatever they look like."""
        return (*self.categorical, *self.text)

    def _check_delimiter(self) -> None:
        mark = self.delimiter
        if mark is None:
            return
        if not isinstance(mark, str) or len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\n\r\0.+-':
            raise ConfigError(
                "must be a single ASCII character that cannot be part of a number",
                where="delimiter",
                found=shown(mark),
                remedy="Try , ; | or a tab",
            )
