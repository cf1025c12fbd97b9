"""Checks of pandas data frames, by the same rules as for tables in files."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Number
from typing import Any

import numpy as np
import pandas as pd

from polytask.data.reading.error_locations import MAX_EXACT_INTEGER, location
from polytask.data.reading.header_checks import check_column_names
from polytask.errors import DataError, plain, shown
from polytask.options import ReadingOptions

# Results of pandas.api.types.infer_dtype that mean that all cells of an object column have one type.
SINGLE_KIND_DTYPES = {
    "string",
    "boolean",
    "floating",
    "integer",
    "mixed-integer-float",
    "decimal",
    "datetime",
    "datetime64",
    "date",
    "empty",
}
SCALAR_TYPES = str | bytes | Number | pd.Timestamp | np.generic


def check_frame(frame: object, where: str = "table") -> None:
    """Check that a data frame is a table of numbers, booleans, strings and dates.

    Args:
        frame: Table with one row per labeled unit.
        where: Name of the table in messages, which count rows from 1.

    Raises:
        DataError: There are no rows or columns; a column name is not a string, empty or duplicate; or a cell is infinite, nested, of
            another type than the rest of its column, or an integer beyond 2^53.

    Example:
        >>> check_frame(pd.DataFrame({"age": [31.0, float("inf")]}))
        Traceback (most recent call last):
        polytask.errors.DataError: table, row 2, column 'age': an infinite number (found inf). Give a finite number or none.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError("a pandas data frame is needed", where=location(where), found=type(frame).__name__)
    _check_columns(frame, where)
    if not len(frame):
        raise DataError("no rows", where=location(where))
    for name in frame:
        _check_column(frame[name], where)


def _check_columns(frame: pd.DataFrame, where: str) -> None:
    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(
            "column names of one level are needed",
            where=location(where),
            found=f"{frame.columns.nlevels} levels",
            remedy="Join the levels into one string",
        )
    if not len(frame.columns):
        raise DataError("no columns", where=location(where))
    names: list[Any] = list(frame.columns)
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str):
            found = f"{shown(name)}, column {number}"
            raise DataError(
                "a column name that is not a string",
                where=location(where),
                found=found,
                remedy="Set frame.columns = frame.columns.map(str)",
            )
    check_column_names(tuple(names), location(where), ReadingOptions().max_columns)


def _check_column(column: pd.Series[Any], where: str) -> None:
    values = pd.Series(column.cat.categories) if isinstance(column.dtype, pd.CategoricalDtype) else column
    if values.dtype == object:
        _check_objects(values, column, where)
    elif isinstance(values.dtype, pd.SparseDtype) or not _is_plain(values):
        _refuse(column, where, "an unsupported type", str(values.dtype), "Convert it to numbers, strings or dates")
    if len(values) and _is_number(values):
        _check_numbers(values, column, where)


def _is_plain(values: pd.Series[Any]) -> bool:
    types = pd.api.types
    number = _is_number(values) and not types.is_complex_dtype(values.dtype)
    return number or types.is_bool_dtype(values.dtype) or types.is_string_dtype(values.dtype) or types.is_datetime64_any_dtype(values.dtype)


def _is_number(values: pd.Series[Any]) -> bool:
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) in {"floating", "integer", "mixed-integer-float", "decimal"}
    return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)


def _check_numbers(values: pd.Series[Any], column: pd.Series[Any], where: str) -> None:
    try:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ArithmeticError, TypeError, ValueError):
        _refuse_value(
            values, ~np.array([_is_float(value) for value in values]), column, where, "a number that float64 cannot represent", "Correct it"
        )
        return
    infinite = np.isinf(numbers)
    if infinite.any():
        _refuse_value(values, infinite, column, where, "an infinite number", "Give a finite number or none")
    large = np.abs(numbers) >= MAX_EXACT_INTEGER
    if large.any():
        for at in np.flatnonzero(large):
            value = values.iloc[at]
            if isinstance(value, Integral) and abs(int(value)) > MAX_EXACT_INTEGER:
                remedy = "If it is an identifier, give it as text"
                _refuse_value(values, np.arange(len(values)) == at, column, where, "an integer beyond 2^53, which would be rounded", remedy)
            if not isinstance(value, Integral):
                return


def _is_float(value: Any) -> bool:  # noqa: ANN401
    try:
        return value is None or value is pd.NA or isinstance(float(value), float)
    except (ArithmeticError, TypeError, ValueError):
        return False


def _check_objects(values: pd.Series[Any], column: pd.Series[Any], where: str) -> None:
    # pandas has checked every cell of a column with a single type; it reports lists, dicts and arrays as "mixed".
    if pd.api.types.infer_dtype(values, skipna=True) in SINGLE_KIND_DTYPES:
        return
    first: tuple[int, str] | None = None
    for at, value in _values(values):
        if not isinstance(value, SCALAR_TYPES) and not hasattr(value, "isoformat"):
            nested = "a nested value", "Give each of its parts a column"
            what, remedy = nested if hasattr(value, "__iter__") else ("a value of an unsupported type", "Convert it to numbers or strings")
            _refuse_value(values, np.arange(len(values)) == at, column, where, what, remedy)
        kind = _type_name(value)
        if kind not in ("text", "a number", "a boolean", "a date"):
            _refuse_value(
                values, np.arange(len(values)) == at, column, where, f"{kind}, which is not supported", "Convert it to numbers or strings"
            )
        first = first or (at, kind)
        if kind != first[1]:
            what = f"{kind} in a column that begins with {first[1]}"
            _refuse_value(values, np.arange(len(values)) == at, column, where, what, "Give the column values of one type")


def _values(values: pd.Series[Any]) -> Iterator[tuple[int, Any]]:
    absent = values.isna().to_numpy()
    return ((at, value) for at, value in enumerate(values) if not absent[at])


def _type_name(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool | np.bool_):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, complex) and not isinstance(value, float):
        return "a complex number"
    if isinstance(value, Number) and not isinstance(value, np.timedelta64):
        return "a number"
    return "a date" if hasattr(value, "year") or isinstance(value, np.datetime64) else type(value).__name__


def _refuse_value(values: pd.Series[Any], mask: Any, column: pd.Series[Any], where: str, what: str, remedy: str) -> None:  # noqa: ANN401
    at = int(np.argmax(mask))
    value = values.iloc[at]
    # For a categorical column, `values` are its categories: report the first row with this category.
    rows = np.flatnonzero(column.cat.codes.to_numpy() == at) if values is not column else [at]
    raise DataError(
        what, where=location(where, int(rows[0]) + 1 if len(rows) else None, column.name), found=format_value(value), remedy=remedy
    )


def _refuse(column: pd.Series[Any], where: str, what: str, found: str, remedy: str) -> None:
    raise DataError(what, where=location(where, column=column.name), found=shown(found), remedy=remedy)


def format_value(value: object) -> str:
    """Return a number as text, and anything else as a short quoted text."""
    return plain(value) if isinstance(value, Number) else shown(value)
