"""Data frames as files of the run folder, so that a run on a data frame can be resumed and repeated like one on a file."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa

from polytask.errors import DataError, StorageError
from polytask.storage import make_folder, storage_errors, write_bytes

ROW_NAMES = "row"
"""Name of the column of the rows' names, if the index of the data frame has none."""


def write_frame(frame: pd.DataFrame, path: Path) -> str | None:
    """Write a data frame to a Parquet file, unless the file holds the same rows already.

    An index other than 0, 1, … becomes a column, since it names the rows.

    Args:
        frame: Data frame.
        path: File to write.

    Returns:
        Name of the column that holds the index, or `None` if the rows have no names.

    Raises:
        DataError: A column has no text as its name, occurs twice, or holds cells of several types.
        StorageError: The file holds other rows, or it cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.parquet"
        >>> write_frame(pd.DataFrame({"age": [31, 7]}, index=pd.Index(["ann", "bob"], name="person")), path)
        'person'
        >>> pd.read_parquet(path)["person"].tolist()
        ['ann', 'bob']
    """
    named, index = _with_named_rows(frame)
    for number, column in enumerate(named.columns):
        if not isinstance(column, str):
            raise DataError("the name of a column must be a text", where="data", found=repr(column), remedy="Rename the column")
        if column in named.columns[:number]:
            raise DataError("two columns have the same name", where="data", found=repr(column), remedy="Rename one of them")
    buffer = io.BytesIO()
    try:
        named.to_parquet(buffer, index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        found = str(error).splitlines()[0]
        raise DataError("a column has cells of several types", where="data", found=found, remedy="Give each column one type") from None
    with storage_errors(path):
        if path.exists() and path.read_bytes() != buffer.getvalue():
            raise StorageError("this folder holds a run on other rows", where=str(path.parent), remedy="Choose another folder as out=")
    make_folder(path.parent)
    write_bytes(path, buffer.getvalue())
    return index


def _with_named_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """Return the frame with its index as a column, and the column's name; the frame itself if the index only counts rows."""
    if isinstance(frame.index, pd.RangeIndex) and frame.index.equals(pd.RangeIndex(len(frame))):
        return frame, None
    if isinstance(frame.index, pd.MultiIndex):
        texts = ["/".join(map(str, names)) for names in frame.index]
        name = "/".join(str(name) for name in frame.index.names if name is not None) or ROW_NAMES
    else:
        texts, name = [str(name) for name in frame.index], str(frame.index.name or ROW_NAMES)
    if name in frame.columns:
        remedy = "Rename one of them, or drop the index: frame.reset_index(drop=True)"
        raise DataError("a column and the index have the same name", where="data", found=repr(name), remedy=remedy)
    return frame.reset_index(drop=True).assign(**{name: texts}), name
