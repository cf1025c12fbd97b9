"""A table's columns as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.coding import Array, Coding
from polytask.errors import DataError

MISSING = 0


@final
@dataclass(frozen=True)
class Columns(Coding):
    """The columns of a table as one matrix (N, F) of float32: numbers as they are, NaN where there is none; categories as codes.

    Code 0 is a category that is missing or not known; the others follow in the order of `levels`.

    Attributes:
        names: Of the columns.
        levels: Per column its categories as text, in the order of their codes; nothing for a number.

    Example:
        >>> table = pd.DataFrame({"age": [31.0, None], "town": ["Rome", "Oslo"]})
        >>> columns = Columns.fit(table)
        >>> columns.encode(pd.DataFrame({"town": ["Rome", "Paris"], "age": [1, 2]})).tolist()
        [[1.0, 2.0], [2.0, 0.0]]
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...] | None, ...]

    kind: ClassVar[str] = "columns"

    @classmethod
    def fit(cls, table: pd.DataFrame, categories: Sequence[str] | None = None) -> Columns:
        """Names and categories of a table.

        Args:
            table: The training rows.
            categories: The columns that hold categories; by default those that do not hold numbers.
        """
        chosen = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])] if categories is None else categories
        levels = [tuple(sorted(map(str, table[name].dropna().unique()))) if name in chosen else None for name in table]
        return cls(tuple(map(str, table.columns)), tuple(levels))

    def encode(self, raw: pd.DataFrame) -> NDArray[np.float32]:
        """A table that has these columns, in any order and among others, as a matrix (N, F).

        Raises:
            DataError: A column is missing, or holds something else than numbers.
        """
        for name in self.names:
            if name not in raw:
                raise DataError("this column is missing", where=f"column {name!r}", found=", ".join(map(str, raw.columns)))
        matrix = np.empty((len(raw), len(self.names)), dtype=np.float32)
        for number, (name, levels) in enumerate(zip(self.names, self.levels, strict=True)):
            matrix[:, number] = _numbers(name, raw[name]) if levels is None else _codes(levels, raw[name])
        return matrix

    def facts(self) -> Mapping[str, Any]:
        """How many codes each column has; 0 for a number."""
        return {"cardinalities": tuple(0 if levels is None else 1 + len(levels) for levels in self.levels)}

    def numbers(self, inputs: Array) -> tuple[int, ...]:
        """The columns that hold numbers."""
        del inputs
        return tuple(number for number, levels in enumerate(self.levels) if levels is None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "names": list(self.names), "levels": [None if own is None else list(own) for own in self.levels]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Columns:
        """What `to_dict` described."""
        return cls(tuple(data["names"]), tuple(None if own is None else tuple(own) for own in data["levels"]))


def _codes(levels: Sequence[str], column: pd.Series[Any]) -> Array:
    numbers = {level: code for code, level in enumerate(levels, start=1)}
    # One look per distinct value, not per row.
    codes, distinct = pd.factorize(column, use_na_sentinel=True)
    table = np.array([*(numbers.get(str(value), MISSING) for value in distinct), MISSING], dtype=np.int64)
    found: Array = table[codes]  # a gap is code -1, and the last entry
    return found


def _numbers(name: str, column: pd.Series[Any]) -> Array:
    try:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        bad = next(
            row for row, value in enumerate(column) if pd.isna(pd.to_numeric(pd.Series([value]), errors="coerce")[0]) and value == value
        )
        raise DataError("a number is needed", where=f"column {name!r}, row {bad}", found=repr(column.iloc[bad])) from None
    if np.isinf(numbers).any():
        raise DataError("a finite number is needed", where=f"column {name!r}, row {int(np.isinf(numbers).argmax())}", found="infinity")
    return numbers
