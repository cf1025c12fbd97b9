"""Numeric columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns.base import NUMERIC, Array, Column, first_invalid_cell
from polytask.errors import DataError


@final
@dataclass(frozen=True)
class NumericColumn(Column):
    """Column of numbers x, encoded as (x − center) / scale in float64, with NaN for a missing cell; `Normalization` follows later.

    The shift and the factor keep what float32 would round away, such as the seconds of times since 1970.

    Attributes:
        center: A number among the training rows; 0 leaves numbers where they are.
        scale: A power of two, the division by which is exact.

    Example:
        >>> NumericColumn("age").encode(pd.Series([31, None])).tolist()
        [[31.0], [nan]]
        >>> NumericColumn("second", center=1.7e9, scale=4.0).encode(pd.Series([1_700_000_001, None])).tolist()
        [[0.25], [nan]]
    """

    center: float = 0.0
    scale: float = 1.0

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
        with np.errstate(over="ignore"):  # the table's encoder refuses what is too large
            return ((numbers - self.center) / self.scale)[:, np.newaxis]


def center_and_scale(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of finite numbers, one of them, and the power of two next above the deviation that a quarter of them exceed.

    Both are order statistics: a constant added to all numbers moves the center by it and leaves the scale, wherever the sums are
    representable, and a factor of a power of two multiplies both. Columns of equal numbers have the scale 1.

    Example:
        >>> center_and_scale(np.array([1e8, 1e8 + 3, 1e8 + 1]))
        (100000001.0, 2.0)
    """
    if not len(numbers):
        return 0.0, 1.0
    center = float(np.partition(numbers, (len(numbers) - 1) // 2)[(len(numbers) - 1) // 2])
    with np.errstate(over="ignore"):
        away = np.abs(numbers - center)
    large = float(np.partition(away, 3 * len(away) // 4)[3 * len(away) // 4]) or float(away.max())
    if not 0 < large < np.inf:
        return center, 1.0
    return center, float(2.0 ** np.clip(np.ceil(np.log2(large)), -1000, 1000))
