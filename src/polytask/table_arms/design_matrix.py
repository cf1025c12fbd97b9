"""Matrix of a table for linear models: standardized numbers, indicators of gaps, and indicators of categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polytask.table_arms.table_model_base import Floats, TableRows

MOST_CATEGORIES = 100
"""Largest number of indicators of one column; rarer categories have none."""


@dataclass(frozen=True)
class DesignMatrix:
    """Columns of a design matrix, fitted to training rows.

    Attributes:
        numbers: Places of numbers, and of features that are used as they are.
        mean: (numbers,) mean of each, which takes the place of a gap.
        deviation: (numbers,) standard deviation of each; 1 where the training rows are constant.
        gaps: Places of numbers with gaps among the training rows.
        categories: (indicators, 2) place and code of each indicator of a category.
    """

    numbers: NDArray[np.int64]
    mean: Floats
    deviation: Floats
    gaps: NDArray[np.int64]
    categories: NDArray[np.int64]

    @classmethod
    def fit(cls, rows: TableRows) -> Self:
        """Fit the columns to training rows."""
        numbers = np.flatnonzero(rows.cardinalities <= 0)
        values = rows.inputs[:, numbers].astype(np.float64)
        absent = np.isnan(values)
        counts = np.maximum((~absent).sum(axis=0), 1)
        mean = np.where(absent, 0.0, values).sum(axis=0) / counts
        away = np.where(absent, 0.0, values - mean)
        deviation = np.sqrt((away**2).sum(axis=0) / counts)
        deviation[(deviation == 0) | (rows.cardinalities[numbers] < 0)] = 1.0
        pairs = []
        for place in np.flatnonzero(rows.cardinalities > 0):
            counted = np.bincount(rows.inputs[:, place].astype(np.int64), minlength=int(rows.cardinalities[place]))
            codes = np.argsort(-counted, kind="stable")[:MOST_CATEGORIES]
            pairs += [(place, code) for code in sorted(codes[counted[codes] > 0])]
        return cls(numbers, mean, deviation, numbers[absent.any(axis=0)], np.array(pairs, dtype=np.int64).reshape(-1, 2))

    def __call__(self, inputs: NDArray[np.float32]) -> Floats:
        """Return the matrix (N, D) of inputs (N, F)."""
        values = (inputs[:, self.numbers].astype(np.float64) - self.mean) / self.deviation
        chosen = inputs[:, self.categories[:, 0]] == self.categories[:, 1]
        return np.hstack([np.nan_to_num(values, nan=0.0), np.isnan(inputs[:, self.gaps]), chosen])

    def state(self) -> dict[str, Any]:
        """Return the columns as arrays."""
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the columns that `state` describes."""
        return cls(**state)
