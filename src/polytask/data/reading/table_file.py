"""Tables in files, read in two passes: one to infer the types of columns, one to return the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polytask.data.reading.error_locations import location
from polytask.data.reading.text.csv_reader import CsvReader
from polytask.data.reading.text.csv_type_inference import CsvTypeInference
from polytask.data.reading.typed_files import CONTENTS
from polytask.data.reading.typed_reader import TypedReader
from polytask.errors import Complaints, ConfigError, DataError, StorageError, shown
from polytask.options import ReadingOptions
from polytask.options.table_options import SHEET_ENDINGS, TEXT_ENDINGS
from polytask.registry.suggestion import nearest

READERS = {**dict.fromkeys((*TEXT_ENDINGS, *SHEET_ENDINGS), CsvReader), **dict.fromkeys(CONTENTS, TypedReader)}
REMEDIES = {".txt": "Rename it to end in .csv, and set the delimiter"}


@final
class TableFile:
    """Table in a file, with the inferred kind of every column; see `open_table`.

    Attributes:
        path: Path of the file.
        columns: Names of the columns, in the order of the file.
        kinds: Kind of each column: "number", "boolean", "category", "date" or "empty".
        rows: Number of rows, without the header.
        date_formats: Format of the dates of each column that has dates of another form than ISO 8601, given or recognized.
        warnings: Warnings about columns that are read differently than they look, one line each.
    """

    def __init__(self, path: Path, options: ReadingOptions) -> None:
        self.path, self._longest = path, options.max_field_bytes
        self._stamp = _size_and_mtime(path)
        self._file: Any = _reader(path)(path, options)
        self.columns: tuple[str, ...] = self._file.names
        for name in (*options.as_written, *options.date_formats):
            if name not in self.columns:
                option = next(option for option in ("text", "categorical", "date_formats") if name in getattr(options, option))
                raise ConfigError("no such column", where=f"{option}={shown(name)}", remedy=nearest(name, self.columns))
        self._known = self._file.columns()
        self.rows = self._learn()
        if not self.rows:
            raise DataError("a table without rows", where=location(path), found=f"{len(self.columns)} columns", remedy="Add the rows")
        self._decide()

    def _decide(self) -> None:
        """Decide the kinds of columns by what is known of their cells."""
        complaints, found = Complaints(), {}
        for name, cells in self._known.items():
            with complaints.collect():
                found[name] = cells.kind(str(self.path))
        complaints.raise_all()
        self.kinds: Mapping[str, str] = MappingProxyType({name: kind for name, (kind, _) in found.items()})
        formats = {name: cells.formats.only for name, cells in self._known.items() if isinstance(cells, CsvTypeInference)}
        dates = {name: form.text for name, form in formats.items() if form is not None and self.kinds[name] == "date"}
        self.date_formats: Mapping[str, str] = MappingProxyType(dates)
        self.warnings = (*self._file.warnings, *(warning for _, warning in found.values() if warning))

    def _learn(self) -> int:
        rows = 0
        for block in self._file.raw():
            for name, cells in self._cells(block).items():
                self._check_lengths(name, cells, rows)
                self._known[name].learn(cells, rows)
            rows += block.num_rows
        return rows

    def _cells(self, block: Any) -> dict[str, Any]:  # noqa: ANN401 - pyarrow has no types
        """Return the cells of each column of a block."""
        # Columns of a pyarrow table are chunked, those of a record batch are not.
        arrays = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in block.columns)
        return dict(zip(self.columns, arrays, strict=True))

    def decide_by(self, learned: NDArray[np.bool_], columns: Collection[str | None]) -> bool:
        """Decide the kinds of some columns by some of the rows alone, so that test rows decide nothing.

        A column of numbers stays one, whatever rows are left out, so files of numbers alone are not read again.

        Args:
            learned: (rows,) True for the rows that may decide.
            columns: Names of the columns; others stay as they are.

        Returns:
            Whether the kind of a column, or the format of its dates, is another one now.

        Raises:
            DataError: A cell of the other rows cannot be read as the kind that the column has in these.
        """
        names = [name for name, kind in self.kinds.items() if name in columns and kind != "number" and self._known[name].by_cells]
        if not names or learned.all():
            return False
        others, rows = self._file.columns(), 0
        for block in self._file.raw():
            mask = pa.array(learned[rows : rows + block.num_rows])
            for name, cells in self._cells(block).items():
                if name in names:  # cells that may not decide are missing, which keeps the numbers of rows
                    others[name].learn(pc.if_else(mask, cells, pa.scalar(None, cells.type)), rows)
            rows += block.num_rows
        changed = [name for name in names if self._decision(others[name]) != self._decision(self._known[name])]
        for name in changed:
            self._known[name] = others[name].for_other_cells()
        if changed:
            self._decide()
            self._check_fit(changed)
        return bool(changed)

    def _decision(self, cells: Any) -> tuple[str, Any]:  # noqa: ANN401
        """Return the kind that cells make a column, and the format of its dates."""
        return cells.kind(str(self.path))[0], cells.formats.only if isinstance(cells, CsvTypeInference) else None

    def _check_fit(self, names: Sequence[str]) -> None:
        """Check that all cells of the named columns can be read as the kind of their column.

        Raises:
            DataError: A cell cannot.
        """
        rows = 0
        for block in self._file.raw():
            cells = self._cells(block)
            for name in names:
                at = self._known[name].first_unfit(cells[name], self.kinds[name])
                if at is not None:
                    what = f"a test row has a cell that is no {self.kinds[name]}, as those of the other rows are"
                    remedy = f"Correct it, or read with categorical=({shown(name)},) (--categorical)"
                    where = location(self.path, rows + at + 1, name)
                    raise DataError(what, where=where, found=shown(cells[name][at].as_py()), remedy=remedy)
            rows += block.num_rows

    def _check_lengths(self, name: str, cells: Any, rows: int) -> None:  # noqa: ANN401 - pyarrow has no types
        if not pa.types.is_string(cells.type):
            return
        lengths = pc.binary_length(cells)
        if (pc.max(lengths).as_py() or 0) > self._longest:
            row = int(pc.index(pc.greater(lengths, self._longest), True).as_py())
            remedy = f"Raise max_field_bytes above {self._longest} (--set tables.NAME.max_field_bytes=…) if this length is intended"
            raise DataError(
                "a cell that is too long", where=location(self.path, rows + row + 1, name), found=f"{lengths[row]} bytes", remedy=remedy
            )

    def chunks(self, rows: int = 65_536) -> Iterator[pd.DataFrame]:
        """Return an iterator over the rows in chunks, in the order of the file.

        All chunks have the same columns and types, and their indexes continue each other from 0.

        Args:
            rows: Number of rows per chunk, at least 1; the last chunk may have fewer.

        Raises:
            ConfigError: `rows` is less than 1.
            StorageError: The file changed since it was opened.
        """
        if rows < 1:
            raise ConfigError("a chunk needs at least one row", where="rows", found=rows)
        return self._chunks(rows)

    def _chunks(self, rows: int) -> Iterator[pd.DataFrame]:
        start = 0
        for table in _rechunk(self._typed(), rows):
            yield _to_dataframe(table, start)
            start += table.num_rows

    def read(self) -> pd.DataFrame:
        """Return all rows.

        Raises:
            StorageError: The file changed since it was opened.
        """
        return _to_dataframe(pa.concat_tables(self._typed()), 0)

    def _typed(self) -> Iterator[Any]:
        if _size_and_mtime(self.path) != self._stamp:
            raise StorageError("the file changed while it was read", where=location(self.path), remedy="Open it again")
        for block in self._file.known(self.kinds, self._known):
            arrays = [self._known[name].convert(block[name], self.kinds[name]) for name in self.columns]
            yield pa.table(arrays, names=list(self.columns))


def open_table(path: str | Path, options: ReadingOptions | None = None) -> TableFile:
    r"""Open a table in a file and infer the kind of each column, raising an error for content that would be misread.

    The file is read once, in blocks. A column holds numbers if every non-missing cell is a plain number, booleans if every cell is true or
    false (each in lower, upper or title case), dates if every cell is an ISO 8601 date or time, and categories otherwise. A column in
    which at least half of the cells, but not all, are numbers is an error unless `options.categorical` names it. Integers beyond 2^53 or
    with leading zeros are read as categories, with a warning.

    Args:
        path: Path of a text file (.csv or .tsv, also with .gz or .zip behind it, or .zip), of a spreadsheet (.xlsx, .xlsm, .xls,
            .ods; extra `excel`), or of a .parquet, .feather, .arrow, .jsonl or .ndjson file. The first line of a text file or a sheet names
            the columns.
        options: Options of reading and limits; `None` means the defaults.

    Returns:
        The table, to be read whole or in chunks. Times with a time zone are converted to UTC.

    Raises:
        DataError: The content is malformed; the message names the row (counted from 1 after the header) and the column.
        StorageError: The file cannot be read.
        ConfigError: An option names a column that does not exist.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.csv").write_text("age,town,member\n31,Rome,true\n,Oslo,false\n")
        >>> dict(open_table(folder / "a.csv").kinds)
        {'age': 'number', 'town': 'category', 'member': 'boolean'}
    """
    return TableFile(_existing_file(Path(path)), options or ReadingOptions())


def read_column_names(path: str | Path, options: ReadingOptions | None = None) -> tuple[str, ...]:
    """Return the column names of a table by reading its header only; see `open_table` for arguments and errors."""
    found = _existing_file(Path(path))
    names: tuple[str, ...] = _reader(found)(found, options or ReadingOptions()).names
    return names


def read_table(path: str | Path, options: ReadingOptions | None = None) -> pd.DataFrame:
    r"""Read all rows of a table in a file; see `open_table` for arguments and errors.

    Returns:
        Data frame with numbers as float64 (NaN if missing), or int64 if all are integers and none is missing; booleans as the pandas
        dtype "boolean"; categories as strings; dates as datetime64[us].

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("age,town\n31,Rome\nNA,Oslo\n")
        >>> read_table(path, ReadingOptions(na_values=("NA",)))["age"].tolist()
        [31.0, nan]
    """
    return open_table(path, options).read()


def _existing_file(path: Path) -> Path:
    try:
        exists, folder, regular = path.exists(), path.is_dir(), path.is_file()
    except OSError as error:
        raise StorageError("the file cannot be opened", where=location(path), found=error.strerror) from None
    if not exists:
        raise StorageError("no such file", where=location(path), remedy="Check its folder and name")
    if not regular:
        raise StorageError("a file is needed", where=location(path), found="a folder" if folder else "neither a file nor a folder")
    return path


def _reader(path: Path) -> Any:  # noqa: ANN401
    for ending, reader in READERS.items():
        if path.name.lower().endswith(ending):
            return reader
    remedy = REMEDIES.get(path.suffix.lower(), "Save it as CSV or Parquet")
    found = shown(path.suffix) if path.suffix else "no ending"
    raise DataError(f"the name must end in one of {', '.join(READERS)}", where=location(path), found=found, remedy=remedy)


def _size_and_mtime(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise StorageError("the file cannot be read", where=location(path), found=error.strerror) from None
    return facts.st_size, facts.st_mtime_ns


def _rechunk(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    held, count = [], 0
    for table in tables:
        start = 0
        while start < table.num_rows:
            part = table.slice(start, rows - count)
            held.append(part)
            start, count = start + part.num_rows, count + part.num_rows
            if count == rows:
                yield pa.concat_tables(held)
                held, count = [], 0
    if held:
        yield pa.concat_tables(held)


def _to_dataframe(table: Any, start: int) -> pd.DataFrame:  # noqa: ANN401
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    frame.index = pd.RangeIndex(start, start + len(frame))
    return frame
