"""Conversion of tables of other libraries to pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from polytask.errors import DataError


def to_dataframe(table: Any, where: str = "table") -> pd.DataFrame:  # noqa: ANN401 - any table-like object
    """Convert a table to a pandas data frame.

    Args:
        table: Data frame or series of pandas or polars, Arrow table or column, mapping from names to columns, list of such rows, or array
            of one or two dimensions. Columns without names are called "target" if there is one dimension, and "0", "1", … otherwise.
        where: Name of the table in messages.

    Raises:
        DataError: The table has none of these types, is a lazy query, or has columns of different lengths.

    Example:
        >>> to_dataframe({"age": [31, 7]}).shape, to_dataframe(np.zeros((2, 3))).columns.tolist()
        ((2, 1), ['0', '1', '2'])
    """
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, pd.Series):
        return table.to_frame("target" if table.name is None else table.name)
    if isinstance(table, Mapping):
        return _from_mapping({str(name): np.asarray(values) for name, values in table.items()}, where)
    if hasattr(table, "__arrow_c_stream__"):  # polars, pyarrow, duckdb, and others
        return _from_arrow(table)
    if _is_lazy_frame(table):
        raise DataError("a table is needed, not a lazy query", where=where, found=type(table).__name__, remedy="Call .collect() first")
    if isinstance(table, list | tuple) and table and all(isinstance(row, Mapping) for row in table):
        return pd.DataFrame(table)
    values = np.asarray(table)
    if values.ndim == 1:
        return pd.DataFrame({"target": values})
    if values.ndim == 2:
        return pd.DataFrame(values, columns=[str(number) for number in range(values.shape[1])])
    raise DataError("a table with rows and columns is needed", where=where, found=f"{type(table).__name__} of shape {values.shape}")


def _from_arrow(table: Any) -> pd.DataFrame:  # noqa: ANN401 - table of any library
    """Convert a table or a single column with the Arrow interface."""
    try:
        columns = pa.table(table)
    except pa.ArrowInvalid:  # a single column, such as polars.Series or pyarrow.ChunkedArray
        columns = pa.table({str(getattr(table, "name", "") or "target"): pa.chunked_array(table)})
    for place, kind in enumerate(columns.schema.types):
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if is_list and pa.types.is_string_view(kind.value_type):  # polars uses lists of string views, which pandas cannot convert
            name, column = columns.column_names[place], columns[place]
            columns = columns.set_column(place, name, column.cast(pa.large_list(pa.string())))
    return pd.DataFrame(columns.to_pandas())


def _is_lazy_frame(table: object) -> bool:
    """Return whether an object is a lazy query, such as a polars LazyFrame."""
    return hasattr(table, "collect") and hasattr(table, "collect_schema")


def _from_mapping(columns: Mapping[str, NDArray[Any]], where: str) -> pd.DataFrame:
    shapes = {name: values.shape for name, values in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        found = ", ".join(f"{name}: {' x '.join(map(str, shape)) or 'no'} cells" for name, shape in list(shapes.items())[:4])
        raise DataError("all columns must be one-dimensional and equally long", where=where, found=found)
    return pd.DataFrame(columns)


def is_one_dimensional(values: object) -> bool:
    """Return whether values are a single column of shape (N,), rather than (N, 1), of any library."""
    return isinstance(values, pa.ChunkedArray | pa.Array) or len(getattr(values, "shape", ())) == 1


def has_column_names(values: object) -> bool:
    """Return whether values have named columns, that is, whether they are a data frame of any library or a mapping."""
    is_mapping = isinstance(values, Mapping) and not hasattr(values, "shape")  # SciPy sparse matrices may be mappings
    return isinstance(values, pd.DataFrame | pd.Series) or is_mapping or hasattr(values, "__arrow_c_stream__") or _is_lazy_frame(values)
