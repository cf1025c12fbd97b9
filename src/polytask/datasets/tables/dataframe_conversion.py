"""Tables of any library as pandas frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from polytask.errors import DataError


def to_dataframe(table: Any, where: str = "table") -> pd.DataFrame:  # noqa: ANN401 - whatever holds a table
    """A pandas frame of a table of pandas, polars or Arrow, of a mapping from names to columns, or of an array.

    Raises:
        DataError: It is nothing of that.

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
        raise DataError("a query is no table yet", where=where, found=type(table).__name__, remedy="Run it first: .collect()")
    values = np.asarray(table)
    if values.ndim == 1:
        return pd.DataFrame({"target": values})
    if values.ndim == 2:
        return pd.DataFrame(values, columns=[str(number) for number in range(values.shape[1])])
    raise DataError("a table is needed: rows and columns", where=where, found=f"{type(table).__name__} of shape {values.shape}")


def _from_arrow(table: Any) -> pd.DataFrame:  # noqa: ANN401 - of any library
    """A table, or a single column, that comes as Arrow."""
    try:
        columns = pa.table(table)
    except pa.ArrowInvalid:  # no table, but a column: polars.Series, pyarrow.ChunkedArray
        columns = pa.table({str(getattr(table, "name", "") or "target"): pa.chunked_array(table)})
    for place, kind in enumerate(columns.schema.types):
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if is_list and pa.types.is_string_view(kind.value_type):  # as polars has them, and pandas gets none
            name, column = columns.column_names[place], columns[place]
            columns = columns.set_column(place, name, column.cast(pa.large_list(pa.string())))
    return pd.DataFrame(columns.to_pandas())


def _is_lazy_frame(table: object) -> bool:
    """Whether it is a plan of a table, such as a LazyFrame of polars."""
    return hasattr(table, "collect") and hasattr(table, "collect_schema")


def _from_mapping(columns: Mapping[str, NDArray[Any]], where: str) -> pd.DataFrame:
    shapes = {name: values.shape for name, values in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        found = ", ".join(f"{name}: {' x '.join(map(str, shape)) or 'no'} cells" for name, shape in list(shapes.items())[:4])
        raise DataError("all columns have as many cells", where=where, found=found)
    return pd.DataFrame(columns)


def is_one_dimensional(values: object) -> bool:
    """Whether it is one column of any library: (N,), and not (N, 1)."""
    return isinstance(values, pa.ChunkedArray | pa.Array) or len(getattr(values, "shape", ())) == 1


def has_column_names(values: object) -> bool:
    """Whether columns have names: a frame of any library, or a mapping."""
    is_mapping = isinstance(values, Mapping) and not hasattr(values, "shape")  # a sparse matrix of SciPy may be a mapping too
    return isinstance(values, pd.DataFrame | pd.Series) or is_mapping or hasattr(values, "__arrow_c_stream__") or _is_lazy_frame(values)
