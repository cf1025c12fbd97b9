"""How a table file is read, and its largest size."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields
from typing import final

from polytask.errors import ConfigError, shown


@final
@dataclass(frozen=True)
class ReadingOptions:
    """How a table file is read, and how much of it at most.

    Attributes:
        delimiter: The character between two cells; by default a tab in a .tsv file and a comma elsewhere.
        encoding: Of the text, as Python names it.
        na_values: Texts that mean "no value", beside the empty cell; blanks around them do not count.
        categorical: Columns that hold categories, even if every cell looks like a number or a date.
        max_columns: A table of more columns is refused.
        max_bytes: A table of more bytes, once decompressed, is refused.
        max_field_bytes: A cell of more bytes is refused.

    Raises:
        ConfigError: An option that cannot be.

    Example:
        >>> ReadingOptions(na_values=("NA", "?")).delimiter is None
        True
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    na_values: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    max_columns: int = 10_000
    max_bytes: int = 4 * 2**30
    max_field_bytes: int = 100_000

    def __post_init__(self) -> None:
        self._check_delimiter()
        for name in ("na_values", "categorical"):
            texts = getattr(self, name)
            if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
                raise ConfigError("a tuple of texts is needed", where=name, found=shown(texts), remedy=f'Write {name}=("NA",)')
        for field in fields(self)[4:]:
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError("a positive integer is needed", where=field.name, found=shown(value))
        try:
            codecs.lookup(self.encoding)
            "".encode(self.encoding)
        except (LookupError, TypeError, ValueError):
            raise ConfigError("no such text encoding", where="encoding", found=shown(self.encoding), remedy="Try utf-8, cp1252") from None

    def _check_delimiter(self) -> None:
        mark = self.delimiter
        if mark is None:
            return
        if not isinstance(mark, str) or len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\n\r\0.+-':
            raise ConfigError(
                "one ASCII character that is in no number is needed", where="delimiter", found=shown(mark), remedy="Try , ; | or a tab"
            )
