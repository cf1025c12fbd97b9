"""Everything that polytask raises on purpose.

```
PolytaskError            the user can mend it; the command line prints one line and exits with 2
├── ConfigError          a name, an option or a combination that does not exist
├── DataError            what a file, a table or an array contains
├── DownloadError        a data set could not be fetched
├── StorageError         a folder or a file that cannot be written or read
├── NonFiniteError       a loss or a gradient is no longer a number
└── MissingExtraError    an optional package is needed
```

Every message is one line that says what is wrong, where, what was found, and what to do. Anything else that
escapes polytask is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SHOWN = 40
"""Number of characters of a value that a message shows."""


class PolytaskError(Exception):
    """What is wrong, where, what was found, and what to do: one line.

    Args:
        what: The rule that was broken, as a phrase.
        where: File, column, row, task or argument.
        found: What stood there instead.
        remedy: What to do, as a sentence.

    Example:
        >>> str(DataError("wrong magic number", where="t10k-labels", found="0x0", remedy="Fetch the file again"))
        't10k-labels: wrong magic number (found 0x0). Fetch the file again.'
    """

    def __init__(self, what: str, *, where: str = "", found: object = None, remedy: str = "") -> None:
        self.what, self.where, self.found, self.remedy = what, where, found, remedy
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        found = "" if self.found is None else f" (found {self.found})"
        remedy = f" {self.remedy.rstrip('.')}." if self.remedy else ""
        return " ".join(f"{place}{self.what.rstrip('.')}{found}.{remedy}".split())

    def __reduce__(self) -> tuple[object, ...]:
        """Let an error cross from a worker process to its parent with all its parts."""
        # What is no plain value goes as its text: it may not be able to travel, and the message must arrive.
        found = self.found if self.found is None or isinstance(self.found, str | int | float) else str(self.found)
        return _rebuild, (type(self), self.what, self.where, found, self.remedy)


def _rebuild(kind: type[PolytaskError], what: str, where: str, found: object, remedy: str) -> PolytaskError:
    return kind(what, where=where, found=found, remedy=remedy)


class ConfigError(PolytaskError, ValueError):
    """A name, an option or a combination that does not exist."""


class DataError(PolytaskError, ValueError):
    """What a file, a table or an array contains is not what it must be."""


@contextmanager
def error_location(where: object) -> Iterator[None]:
    """Put the file or the table before the place that an error about its content names.

    Example:
        >>> with error_location("sales.csv"):
        ...     raise DataError("a number is needed", where="row 3")
        Traceback (most recent call last):
        polytask.errors.DataError: sales.csv, row 3: a number is needed.
    """
    try:
        yield
    except DataError as error:
        place = error.where if error.where.startswith(str(where)) else ", ".join(filter(None, [str(where), error.where]))
        raise DataError(error.what, where=place, found=error.found, remedy=error.remedy) from None


class DownloadError(PolytaskError, OSError):
    """A data set could not be fetched."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


class StorageError(PolytaskError, OSError):
    """A folder or a file cannot be written or read."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


class NonFiniteError(PolytaskError, ArithmeticError):
    """A loss or a gradient is no longer a number."""


class MissingExtraError(PolytaskError, ImportError):
    """An optional package is needed for what was asked."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


def plain(text: object, most: int = SHOWN) -> str:
    """Return a text that can be printed: short, without control characters or marks that change the direction of writing.

    Example:
        >>> plain("a\\x1b[31m" + "b" * 50)
        'a[31mbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…'
    """
    try:
        whole = str(text)
    except ValueError:  # an integer of thousands of digits
        whole = type(text).__name__
    # Of a text of megabytes no more is looked at than can be shown.
    kept = "".join(letter if letter.isprintable() else " " if letter.isspace() else "" for letter in whole[: 4 * most])
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def shown(value: object) -> str:
    """Return a value as a message shows it: printable, short and in quotes."""
    return repr(plain(value))
