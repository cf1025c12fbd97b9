"""Estimated difference and its uncertainty, for any design of a study.

There are two designs: `crossed_anova` (every seed predicts the same test units) and `corrected_resampling` (test units differ
between cross-validation splits).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ROUNDING_ERROR = 8 * float(np.finfo(np.float64).eps)


class DifferenceEstimate(ABC):
    """Base class of estimates of one mean difference.

    Attributes:
        difference: Estimated mean difference; positive is better.
        seeds: Number of seeds or splits.
        units: Number of test units per seed or split, with the rows of one group counted as one unit.
        variance: Variance of the difference.
        df: Degrees of freedom of the variance.
    """

    difference: float
    seeds: int
    units: int

    @property
    @abstractmethod
    def variance(self) -> float:
        """Variance of the difference."""

    @property
    @abstractmethod
    def df(self) -> float:
        """Degrees of freedom of the variance."""

    @abstractmethod
    def half_width(self, level: float) -> float:
        """Return the half-width of the interval that misses the true difference with probability at most `level`."""

    @abstractmethod
    def level_for_half_width(self, half: float) -> float:
        """Return the level whose interval has the half-width `half` > 0."""

    @abstractmethod
    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Compute half-widths for other numbers of seeds and units, elementwise, if the variance components stay the same."""

    @property
    def share_of_units(self) -> float:
        """Share of the variance that only more test units reduce; 0 if their number is fixed."""
        return 0.0

    def interval(self, level: float = 0.05) -> tuple[float, float]:
        """Return the interval of confidence 1 - `level`."""
        half = self.half_width(level)
        return self.difference - half, self.difference + half

    @property
    def p(self) -> float:
        """Two-sided p value: the smallest level whose interval excludes 0; without any variance 1 for no difference, else 0."""
        return self.level_for_half_width(abs(self.difference)) if self.difference else 1.0

    def p_equivalence(self, margin: float) -> float:
        """Return the larger p of two one-sided tests of |difference| >= margin (Schuirmann, J. Pharmacokin. Biopharm. 15:657, 1987)."""
        inside = margin - abs(self.difference)
        if self.variance == 0:
            return 0.0 if inside >= 0 else 1.0
        tail = self.level_for_half_width(abs(inside)) / 2 if inside else 0.5
        return tail if inside > 0 else 1 - tail
