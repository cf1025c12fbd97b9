"""Result of a relatedness measure: a matrix per seed, its mean, its intervals, and the agreement between seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata

from polytask.errors import DataError

Floats = NDArray[np.float64]

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class RelatednessMatrix:
    """Values of one relatedness measure for all pairs of tasks and all seeds.

    Attributes:
        names: Names of the T tasks.
        seeds: The S seeds.
        values: (S, T, T) values from the row's task to the column's; NaN where nothing was measured.

    Raises:
        DataError: The values have another shape.

    Example:
        >>> values = np.array([[[1.0, 0.3], [0.1, 1.0]], [[1.0, 0.5], [0.2, 1.0]]])
        >>> relations = RelatednessMatrix(("a", "b"), (0, 1), values)
        >>> relations.mean.round(2).tolist(), relations.half_width.round(2).tolist(), relations.agreement
        ([[1.0, 0.4], [0.15, 1.0]], [[0.0, 1.27], [0.64, 0.0]], 1.0)
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        wanted = (len(self.seeds), len(self.names), len(self.names))
        if self.values.shape != wanted:
            raise DataError(f"the values must have the shape {wanted}", where="values", found=f"shape {self.values.shape}")

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        return np.asarray((~np.isnan(self.values)).sum(axis=0))

    @cached_property
    def mean(self) -> Floats:
        """(T, T) mean over the seeds that have a value; NaN where no seed has one."""
        totals = np.nan_to_num(self.values).sum(axis=0)
        return np.where(self._counts > 0, totals / np.maximum(self._counts, 1), np.nan)

    @cached_property
    def half_width(self) -> Floats:
        """(T, T) half-width of the 95 % interval of the mean, t(n − 1) · s / √n over the n seeds that have a value; NaN for n < 2."""
        n = np.maximum(self._counts, 2)
        squares = np.nan_to_num((self.values - self.mean) ** 2).sum(axis=0)
        halves = stdtrit(n - 1, 1 - SIGNIFICANCE_LEVEL / 2) * np.sqrt(squares / (n - 1) / n)
        return np.where(self._counts > 1, halves, np.nan)

    @cached_property
    def agreement(self) -> float | None:
        """Spearman's rank correlation of the off-diagonal values, averaged over pairs of seeds; None if it is undefined for every pair."""
        found = [rho for one, other in combinations(self.values, 2) if (rho := rank_correlation(one, other)) is not None]
        return float(np.mean(found)) if found else None

    @property
    def significant_entries(self) -> int:
        """Number of off-diagonal values whose interval excludes 0."""
        clear = np.abs(self.mean) > self.half_width
        return int(clear[~np.eye(len(self.names), dtype=bool)].sum())

    @property
    def has_missing_pairs(self) -> bool:
        """Whether some pair of tasks has no value in any seed."""
        return bool(np.isnan(self.mean[~np.eye(len(self.names), dtype=bool)]).any())

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """Yield seed, source (the row's task), target (the column's task) and value, for every value that is not NaN."""
        for seed, matrix in zip(self.seeds, self.values.tolist(), strict=True):
            for source, row in zip(self.names, matrix, strict=True):
                yield from ((seed, source, target, value) for target, value in zip(self.names, row, strict=True) if value == value)

    def to_dict(self) -> dict[str, Any]:
        """Return the mean, the half-width, the agreement and `significant_entries` as plain data, with None for NaN."""
        return {
            "mean": nan_to_none(self.mean),
            "half_width": nan_to_none(self.half_width),
            "agreement": self.agreement,
            "significant_entries": self.significant_entries,
        }


def nan_to_none(matrix: Floats) -> list[list[float | None]]:
    """Return a matrix as nested lists, with None for NaN."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in matrix]


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Return Spearman's ρ of two matrices (T, T), over the off-diagonal values that both have; None if it is undefined.

    It is undefined if the matrices have no value in common, or if all common values of one of them are equal.

    Example:
        >>> rank_correlation(np.array([[0, 1.0], [2.0, 0]]), np.array([[9, 5.0], [4.0, 9]]))
        -1.0
    """
    both = ~np.eye(len(first), dtype=bool) & ~np.isnan(first) & ~np.isnan(second)
    if not both.any():
        return None
    x, y = (ranks - ranks.mean() for ranks in (rankdata(first[both]), rankdata(second[both])))
    lengths = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / lengths) if lengths > 0 else None


def matrix_from_lists(names: Sequence[str], matrices: dict[int, list[list[float | None]]]) -> RelatednessMatrix:
    """Return a `RelatednessMatrix` from nested lists by seed, as runs store them, with None for missing values.

    Example:
        >>> matrix_from_lists(["a"], {0: [[None]]}).values.tolist()
        [[[nan]]]
    """
    values = np.array([[[np.nan if value is None else value for value in row] for row in own] for own in matrices.values()])
    return RelatednessMatrix(tuple(names), tuple(matrices), values)
