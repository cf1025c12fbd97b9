"""Numeric columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import NUMERIC, Array, Column, first_invalid_cell
from polytask.errors import DataError


@final
@dataclass(frozen=True)
class NumericColumn(Column):
    """Column of numbers, encoded as they are, with NaN for a missing cell; `Normalization` normalizes them later.

    Example:
        >>> NumericColumn("age").encode(pd.Series([31, None])).tolist()
        [[31.0], [nan]]
    """

    kind: ClassVar[str] = "number"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """One number, to be normalized."""
        return (NUMERIC,)

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as numbers (N, 1).

        Raises:
            DataError: A cell is not a finite number.
        """
        if pd.api.types.is_bool_dtype(cells):  # pandas would convert booleans to 0 and 1
            row, found = first_invalid_cell(cells, cells.notna().to_numpy())
            raise DataError("a number is needed", where=f"column {self.name!r}, row {row}", found=found)
        try:
            numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            there = cells.notna().to_numpy()
            row, found = first_invalid_cell(cells, there & pd.to_numeric(cells, errors="coerce").isna().to_numpy())
            raise DataError("a number is needed", where=f"column {self.name!r}, row {row}", found=found) from None
        if np.isinf(numbers).any():
            row, found = first_invalid_cell(cells, np.isinf(numbers))
            raise DataError("a finite number is needed", where=f"column {self.name!r}, row {row}", found=found)
        return numbers[:, np.newaxis]
