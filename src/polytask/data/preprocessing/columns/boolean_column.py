"""Boolean columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import NUMERIC, Array, Column, first_invalid_cell
from polytask.errors import DataError

_VALUES = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


@final
@dataclass(frozen=True)
class BooleanColumn(Column):
    """Column of booleans, encoded as 1 for true, 0 for false, and NaN for a missing cell.

    Example:
        >>> BooleanColumn("active").encode(pd.Series([True, "false", None])).tolist()
        [[1.0], [0.0], [nan]]
    """

    kind: ClassVar[str] = "boolean"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """One number, to be normalized."""
        return (NUMERIC,)

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as numbers (N, 1).

        Raises:
            DataError: A cell is neither true nor false.
        """
        codes, distinct = pd.factorize(cells)
        meanings = np.array([*(_VALUES.get(str(value).lower(), np.inf) for value in distinct), np.nan])
        numbers = meanings[codes]
        if np.isinf(numbers).any():
            row, found = first_invalid_cell(cells, np.isinf(numbers))
            where = f"column {self.name!r}, row {row}"
            raise DataError("true or false is needed", where=where, found=found, remedy="Write true or false, or 1 or 0")
        return np.asarray(numbers)[:, np.newaxis]
