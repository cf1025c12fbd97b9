"""Reader of CSV files, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from polytask.data.reading.error_locations import BLOCK_BYTES, location
from polytask.data.reading.header_checks import parse_header
from polytask.data.reading.text.csv_type_inference import CsvTypeInference
from polytask.data.reading.text.text_stream import TextStream
from polytask.data.reading.text.written_cells import DateFormats
from polytask.errors import DataError, plain, shown
from polytask.options import ReadingOptions
from polytask.options.values.date_format import DateFormat


@final
class CsvReader:
    """Reader of a CSV file that yields its rows in blocks of columns.

    Args:
        path: Path of the file.
        options: Delimiter, encoding, missing values, columns of strings, and limits.

    Raises:
        DataError: The header is malformed.
        StorageError: The file cannot be read.
    """

    def __init__(self, path: Path, options: ReadingOptions) -> None:
        self.path, self.options = path, options
        with TextStream(path, options) as text:
            self.names = parse_header(text.header(), path, options)
        self.warnings = _header_warnings(self.names)
        self._padded: set[str] = set()  # columns with missing-value strings surrounded by blanks

    def columns(self) -> dict[str, CsvTypeInference]:
        """Return a new type inference for each column."""
        options, numbers = self.options, self.options.number_format
        formats = {name: DateFormats(DateFormat(text)) for name, text in options.date_formats.items()}
        return {
            name: CsvTypeInference(name, name in options.as_written, numbers, formats.get(name) or DateFormats()) for name in self.names
        }

    def raw(self) -> Iterator[Any]:
        """Yield the cells as strings, raising `DataError` if the file is malformed."""
        yield from map(self._without_padded, self._blocks({}, lenient=False))

    def known(self, kinds: Mapping[str, str], columns: Mapping[str, CsvTypeInference]) -> Iterator[Any]:
        """Yield the same cells again, parsing columns as numbers directly where every cell is a plain number."""
        plain_numbers = {name for name, kind in kinds.items() if kind == "number" and columns[name].simple}
        types = dict.fromkeys(plain_numbers - self._padded, pa.float64())
        yield from map(self._without_padded, self._blocks(types, lenient=True))

    def _without_padded(self, block: Any) -> Any:  # noqa: ANN401
        if not self.options.na_values:
            return block
        arrays = []
        for name, column in zip(self.names, block.columns, strict=True):
            if pa.types.is_string(column.type):
                absent = pc.is_in(pc.utf8_trim(column, characters=" \t"), value_set=pa.array(self.options.na_values))
                if pc.any(absent).as_py():
                    self._padded.add(name)
                    column = pc.if_else(absent, pa.scalar(None, pa.string()), column)
            arrays.append(column)
        return pa.record_batch(arrays, names=list(self.names))

    def _blocks(self, types: Mapping[str, Any], lenient: bool) -> Iterator[Any]:
        rows = 0
        with TextStream(self.path, self.options, lenient) as text:
            text.header()
            text.one_column = len(self.names) == 1
            for block in text.row_blocks(BLOCK_BYTES):
                for batch in self._parsed(_arrow_buffer(block), types, rows, text):
                    rows += batch.num_rows
                    yield batch

    def _parsed(self, block: Any, types: Mapping[str, Any], rows: int, text: TextStream) -> list[Any]:  # noqa: ANN401
        """Return the rows of a block, which consists of whole rows.

        The block is in memory, so that no thread of pyarrow ever runs Python code: a thread that does so while the interpreter ends, since
        the table is refused, aborts the process.

        Args:
            block: Buffer with the text of the rows.
            types: Types of columns other than strings.
            rows: Number of rows before the block.
            text: Stream that the block comes from.

        Raises:
            DataError: The rows are malformed.
        """
        try:
            return list(self._table(block, types, text).to_batches())
        except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
            if str(error).startswith("Empty CSV"):
                return []
            self._explain(error, block, rows, text)

    def _table(self, block: Any, types: Mapping[str, Any], text: TextStream, ragged: list[Any] | None = None) -> Any:  # noqa: ANN401
        """Parse a block; with a list for malformed rows, in this thread, which is slower and numbers the rows."""

        def refuse(row: Any) -> str:  # noqa: ANN401
            if ragged is not None:
                ragged.append(row)
            return "error"

        names = list(self.names)
        return csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(column_names=names, block_size=max(1, block.size), use_threads=ragged is None),
            csv.ParseOptions(
                delimiter=text.quotes.delimiter,
                newlines_in_values=True,
                # In a table of one column, an empty line is a row whose cell is missing.
                ignore_empty_lines=len(names) > 1,
                invalid_row_handler=None if ragged is None else refuse,
            ),
            csv.ConvertOptions(
                check_utf8=False,
                strings_can_be_null=True,
                null_values=["", *self.options.na_values],
                column_types={name: types.get(name, pa.string()) for name in names},
            ),
        )

    def _explain(self, error: Exception, block: Any, rows: int, text: TextStream) -> NoReturn:  # noqa: ANN401
        ragged: list[Any] = []
        with suppress(pa.ArrowInvalid, pa.ArrowCapacityError):
            self._table(block, {}, text, ragged)
        if ragged:
            row = ragged[0]
            more = row.actual_columns > row.expected_columns
            remedy = "Put cells that hold the delimiter in quotes" if more else "Give every row a cell per column"
            found = f"{row.actual_columns} for {row.expected_columns} columns: {shown(row.text)}"
            raise DataError(
                "a row with too " + ("many" if more else "few") + " cells",
                where=location(self.path, rows + row.number),
                found=found,
                remedy=remedy,
            ) from None
        raise DataError("the text cannot be parsed as a table", where=location(self.path), found=plain(error, 200)) from None


def _arrow_buffer(block: bytes) -> Any:  # noqa: ANN401
    """Return a copy of bytes in memory of pyarrow, which its threads can free without the interpreter."""
    buffer = pa.allocate_buffer(len(block))
    memoryview(buffer).cast("B")[:] = block
    return buffer


def _header_warnings(names: tuple[str, ...]) -> list[str]:
    numbers = pc.match_substring_regex(pa.array(names), r"^[+-]?\d*\.?\d+$")
    counted = names == tuple(map(str, range(len(names))))
    if pc.all(numbers).as_py() and not counted:
        return [f"the names of all columns are numbers ({shown(names[0])} first): the first line may be data rather than a header"]
    return []
