"""Reader of files whose columns have types, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import pyarrow as pa
import pyarrow.compute as pc

from polytask.data.reading.error_locations import MAX_EXACT_INTEGER, location
from polytask.data.reading.header_checks import check_column_names
from polytask.data.reading.typed_files import CONTENTS
from polytask.errors import DataError, plain, shown
from polytask.options import ReadingOptions

# Prefix of the columns in which pandas stores an unnamed index.
PANDAS_INDEX_PREFIX = "__index_level_"
FORMATS = {".parquet": "Parquet", ".feather": "Feather (Arrow)", ".arrow": "Arrow", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}
KINDS = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_string, "category"),
    (pa.types.is_large_string, "category"),
    (pa.types.is_string_view, "category"),
    (pa.types.is_timestamp, "date"),
    (pa.types.is_date, "date"),
    (pa.types.is_null, "empty"),
)
REMEDIES = (
    (pa.types.is_nested, "Give each of its parts a column"),
    (pa.types.is_binary, "Store it as text"),
    (pa.types.is_large_binary, "Store it as text"),
)


@final
@dataclass
class TypedColumnInference:
    """Statistics of the cells of one typed column, updated block by block, from which its kind is inferred.

    Attributes:
        name: Name of the column.
        kind_of_type: Kind that the type of the column implies: "number", "boolean", "category", "date" or "empty".
        forced: Whether to treat the column as categories regardless of its type.
        integers: Whether the type is an integer type.
        json_text: Whether the column holds texts of JSON, where one text among dates makes texts of all of them.
        filled: Number of cells with a value.
        gaps: Whether any cell is missing.
        large: First integer that float64 would round; empty if there is none.
        infinite: Row (from 1) of the first infinite number; 0 if there is none.
        undated: Whether a text is no date.
    """

    name: str
    kind_of_type: str
    forced: bool
    integers: bool
    json_text: bool = False
    filled: int = 0
    gaps: bool = False
    large: str = ""
    infinite: int = 0
    undated: bool = False

    def learn(self, column: Any, row: int) -> None:  # noqa: ANN401 - pyarrow has no types
        """Update the statistics with the next cells.

        Args:
            column: pyarrow array of the cells.
            row: Number of rows before these cells.
        """
        column = self._without_nan(column)
        self.gaps |= column.null_count > 0
        self.filled += len(column) - column.null_count
        self.undated = self.undated or (self.json_text and _first_undated(column) is not None)
        if self.kind_of_type != "number" or self.forced:
            return
        if self.integers:
            if not self.large and (at := pc.index(_is_large(column), True).as_py()) >= 0:
                self.large = str(column[at])
        elif not self.infinite and (at := pc.index(pc.is_inf(pc.cast(column, pa.float64())), True).as_py()) >= 0:
            self.infinite = row + at + 1

    def kind(self, where: str) -> tuple[str, str]:
        """Return the kind of the column, and a warning if it may be unexpected.

        Args:
            where: Name of the table in messages.

        Returns:
            "number", "boolean", "category", "date" or "empty"; and a warning, which is empty if there is none.

        Raises:
            DataError: A number is infinite.
        """
        if self.infinite:
            raise DataError(
                "an infinite number",
                where=location(where, self.infinite, self.name),
                found="infinity",
                remedy="Store a finite number or a missing value",
            )
        if self.forced:
            return "category", ""
        if not self.filled:
            return "empty", ""
        if self.large:
            why = f"it holds integers larger than 2^53, which would be rounded ({self.large})"
            return "category", f"column {shown(self.name)} is read as categories: {why}"
        return "date" if self.json_text and not self.undated else self.kind_of_type, ""

    @property
    def by_cells(self) -> bool:
        """Whether cells, and not the type of the column alone, decide its kind."""
        return not self.forced and (self.json_text or bool(self.large))

    def for_other_cells(self) -> Self:
        """Return the inference for converting cells that it has not seen, among which there may be gaps."""
        self.gaps = True
        return self

    def first_unfit(self, column: Any, kind: str) -> int | None:  # noqa: ANN401
        """Return the index of the first cell that cannot be read as a kind that other cells gave the column; `None` if all can."""
        if kind == "date" and self.json_text:
            return _first_undated(column)
        if kind != "number" or not pa.types.is_unsigned_integer(column.type):
            return None
        at = int(pc.index(pc.greater(pc.cast(column, pa.uint64()), pa.scalar(2**63 - 1, pa.uint64())), value=True).as_py())
        return at if at >= 0 else None

    def convert(self, column: Any, kind: str) -> Any:  # noqa: ANN401
        """Convert cells to the type of their kind."""
        if kind == "empty":
            return pa.nulls(len(column), pa.float64())
        column = self._without_nan(column)
        if kind == "number":
            return pc.cast(column, pa.int64()) if self.integers and not self.gaps else pc.cast(column, pa.float64(), safe=False)
        if kind == "date":
            return pc.cast(pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False), pa.timestamp("us"))
        return column if kind == "boolean" else pc.cast(column, pa.string())

    def _without_nan(self, column: Any) -> Any:  # noqa: ANN401
        if self.kind_of_type != "number" or self.integers or pa.types.is_decimal(column.type):
            return column
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


@final
class TypedReader:
    """Reader of a Parquet, Arrow or JSON lines file that yields its rows in blocks of columns.

    Args:
        path: Path of the file.
        options: Missing values, columns of strings, and limits.

    Raises:
        DataError: The file is damaged or too large, has no columns, or has columns of unsupported types.
    """

    def __init__(self, path: Path, options: ReadingOptions) -> None:
        self.path, self.options = path, options
        self.warnings: list[str] = []
        opened = CONTENTS[path.suffix.lower()]
        self._content = content = self._guarded(lambda: opened(path, options.max_bytes))
        own = self._guarded(lambda: [field for field in content.schema if not field.name.startswith(PANDAS_INDEX_PREFIX)])
        if len(own) < len(content.schema):
            self.warnings.append("the index of the data frame is left out; give it a name to keep it")
        # A compressed column may take a few bytes in the file: count at least 8 bytes per cell, its size in memory.
        size = max(content.size, 8 * content.rows * len(own))
        if size > options.max_bytes:
            raise DataError(
                "the file is larger than is allowed",
                where=location(path),
                found=f"{size} bytes",
                remedy=f"Raise max_bytes above {options.max_bytes} (--set tables.NAME.max_bytes=…) if this size is intended",
            )
        self.names = tuple(field.name for field in own)
        if not self.names:
            raise DataError("no columns", where=location(path))
        check_column_names(self.names, location(path), options.max_columns)
        self._types = {field.name: _value_type(field.type) for field in own}
        self._kinds = {name: _kind_of_type(kind, location(path, column=name)) for name, kind in self._types.items()}

    def columns(self) -> dict[str, TypedColumnInference]:
        """Return a new type inference for each column."""
        forced, by_text = self.options.as_written, FORMATS[self.path.suffix.lower()] == "JSON lines"
        return {
            name: TypedColumnInference(name, kind, name in forced, pa.types.is_integer(self._types[name]), by_text and kind == "category")
            for name, kind in self._kinds.items()
        }

    def raw(self) -> Iterator[Any]:
        """Yield the cells, with categories as strings and missing-value strings as null."""
        batches = self._guarded(lambda: self._content.batches(self.names))
        while (batch := self._guarded(lambda: next(batches, None))) is not None:
            # Select by name: a batch has the columns in the order of the file.
            yield self._guarded(lambda batch=batch: pa.table([self._plain(batch[name]) for name in self.names], names=list(self.names)))

    def known(self, kinds: Mapping[str, str], columns: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the same cells again; they already have types."""
        del kinds, columns
        return self.raw()

    def _plain(self, column: Any) -> Any:  # noqa: ANN401
        column = pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        if not any(check(column.type) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
            return column
        column = pc.cast(column, pa.string())
        column.validate(full=True)
        absent = pc.is_in(column, value_set=pa.array(["", *self.options.na_values], pa.string()))
        return pc.if_else(absent, pa.scalar(None, pa.string()), column)

    def _guarded(self, work: Any) -> Any:  # noqa: ANN401
        try:
            return work()
        except (pa.ArrowException, OSError, UnicodeError) as error:
            found = plain(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
            raise DataError(
                f"damaged, or not a {FORMATS[self.path.suffix.lower()]} file",
                where=location(self.path),
                found=found,
                remedy="Write the file again",
            ) from None


def _value_type(kind: Any) -> Any:  # noqa: ANN401
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _kind_of_type(kind: Any, where: str) -> str:  # noqa: ANN401
    for matches, name in KINDS:
        if matches(kind):
            return name
    remedy = next((remedy for matches, remedy in REMEDIES if matches(kind)), "Store it as numbers, strings or dates")
    raise DataError("a column of an unsupported type", where=where, found=plain(kind), remedy=remedy)


def _first_undated(column: Any) -> int | None:  # noqa: ANN401
    """Return the index of the first text that is no ISO date or time; `None` if there is none."""
    if _are_dates(column):
        return None
    return next(at for at in range(len(column)) if not _are_dates(column.slice(at, 1)))


def _are_dates(column: Any) -> bool:  # noqa: ANN401
    try:
        pc.cast(column, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True


def _is_large(column: Any) -> Any:  # noqa: ANN401
    if pa.types.is_unsigned_integer(column.type):
        return pc.greater(pc.cast(column, pa.uint64()), pa.scalar(MAX_EXACT_INTEGER, pa.uint64()))
    wide = pc.cast(column, pa.int64())
    return pc.or_(pc.greater(wide, MAX_EXACT_INTEGER), pc.less(wide, -MAX_EXACT_INTEGER))
