"""Exceptions that polytask raises on purpose.

```
PolytaskError            an error that the user can fix; the command line prints one line and exits with 2
├── ConfigError          an invalid name, option or combination of options
├── DataError            invalid content of a file, a table or an array
├── DownloadError        a data set cannot be downloaded
├── StorageError         a folder or a file cannot be written or read
├── NonFiniteError       a loss or a gradient is NaN or infinite
└── MissingExtraError    an optional package is not installed
```

Every message is one line that says where the error is, what is expected, what was found, and what to do. Any other
exception that escapes polytask is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "Complaints",
    "ConfigError",
    "DataError",
    "DownloadError",
    "MissingExtraError",
    "NonFiniteError",
    "PolytaskError",
    "StorageError",
]

_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "std::bad_alloc", "Storage size calculation overflowed")
"""Texts of PyTorch's errors on memory; on CPUs they have no class of their own."""
LONGEST_FOUND = 500
"""Maximum number of characters of what was found instead."""
MOST_OTHERS = 4
"""Maximum number of further errors that a message names."""
SHOWN = 40
"""Maximum number of characters of a value in a message."""


class PolytaskError(Exception):
    """Base class of all errors that polytask raises on purpose, with a message of one line.

    Args:
        what: What is expected or wrong, as a phrase.
        where: File, column, row, task or argument that the error is about.
        found: Value that was found instead; `None` leaves it out of the message.
        remedy: What the user can do, as a sentence.

    Example:
        >>> str(DataError("wrong magic number", where="t10k-labels", found="0x0", remedy="Fetch the file again"))
        't10k-labels: wrong magic number (found 0x0). Fetch the file again.'
    """

    def __init__(self, what: str, *, where: str = "", found: object = None, remedy: str = "") -> None:
        self.what, self.where, self.found, self.remedy = what, where, found, remedy
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        found = "" if self.found is None else f" (found {_cut(self.found)})"
        remedy = f" {self.remedy.rstrip('.')}." if self.remedy else ""
        return " ".join(f"{place}{self.what.rstrip('.')}{found}.{remedy}".split())

    def __reduce__(self) -> tuple[object, ...]:
        """Support pickling, so that a worker process can send an error with all its parts to its parent."""
        # Other objects may not be picklable; their text is enough for the message.
        found = self.found if self.found is None or isinstance(self.found, str | int | float) else str(self.found)
        return _rebuild, (type(self), self.what, self.where, found, self.remedy)


def _cut(found: object) -> str:
    text = str(found)
    return text if len(text) <= LONGEST_FOUND else f"{text[: LONGEST_FOUND - 1]}…"


def _rebuild(kind: type[PolytaskError], what: str, where: str, found: object, remedy: str) -> PolytaskError:
    return kind(what, where=where, found=found, remedy=remedy)


class ConfigError(PolytaskError, ValueError):
    """A name, an option or a combination of options is invalid."""


class DataError(PolytaskError, ValueError):
    """The content of a file, a table or an array is invalid."""


@contextmanager
def error_location(where: object) -> Iterator[None]:
    """Prefix the location of every `DataError` raised in the block with the file or table that it is about.

    Args:
        where: File or table; it is not repeated where the error's location begins with it.

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


class Complaints:
    """Errors of independent parts of the same input, such as columns, which are raised together, so that all can be corrected at once.

    Example:
        >>> complaints = Complaints()
        >>> for name in ("age", "town"):
        ...     with complaints.collect():
        ...         raise DataError("an empty column", where=name, remedy="Leave it out")
        >>> complaints.raise_all()
        Traceback (most recent call last):
        polytask.errors.DataError: age: an empty column. Leave it out. Also: town: an empty column.
    """

    def __init__(self) -> None:
        self.errors: list[PolytaskError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep an error of the block instead of raising it."""
        try:
            yield
        except PolytaskError as error:
            self.errors.append(error)

    def raise_all(self) -> None:
        """Raise the first error that was kept, with the places of up to four others behind it; nothing if there is none."""
        if not self.errors:
            return
        first, *others = self.errors
        if not others:
            raise first
        place = f"{first.where.partition(', ')[0]}, "  # the file, which is named already
        named = [
            f"{error.where.removeprefix(place)}: {error.what}" + ("" if error.found is None else f" (found {_cut(error.found)})")
            for error in others
        ]
        more = [f"{len(named) - MOST_OTHERS} more"] if len(named) > MOST_OTHERS else []
        also = "Also: " + "; ".join([*named[:MOST_OTHERS], *more])
        remedy = f"{first.remedy.rstrip('.')}. {also}" if first.remedy else also
        raise type(first)(first.what, where=first.where, found=first.found, remedy=remedy)


class DownloadError(PolytaskError, OSError):
    """A data set cannot be downloaded."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


class StorageError(PolytaskError, OSError):
    """A folder or a file cannot be written or read."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


class NonFiniteError(PolytaskError, ArithmeticError):
    """A loss or a gradient is NaN or infinite."""


class MissingExtraError(PolytaskError, ImportError):
    """An optional package that is needed is not installed."""

    def __str__(self) -> str:
        return PolytaskError.__str__(self)


def plain(text: object, most: int = SHOWN) -> str:
    r"""Return a text that is safe to print: short, without control characters or marks that change the text direction.

    Args:
        text: Object whose `str` is printed.
        most: Maximum number of characters; a longer text is cut and ends in `…`.

    Example:
        >>> plain("a\x1b[31m" + "b" * 50)
        'a[31mbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…'
    """
    try:
        whole = str(text)
    except ValueError:  # an integer of thousands of digits
        whole = type(text).__name__
    # Cut first: only a small part of a text of megabytes needs cleaning.
    kept = "".join(letter if letter.isprintable() else " " if letter.isspace() else "" for letter in whole[: 4 * most])
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def shown(value: object) -> str:
    """Return a value as messages show it: printable, short and in quotes."""
    return repr(plain(value))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be allocated, by Python, NumPy, pyarrow or PyTorch.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("std::bad_alloc")), is_out_of_memory(RuntimeError("shape"))
        (True, True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY))


def first_line(error: BaseException) -> str:
    r"""Return an error of other code as messages name it: its class and the first line of its text.

    Example:
        >>> first_line(ValueError("two tasks are needed\nat least"))
        'ValueError: two tasks are needed'
    """
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
