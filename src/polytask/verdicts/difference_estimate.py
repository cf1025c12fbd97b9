"""What words and remedies are made of: an estimated difference and how sure it is, whatever the design of the study.

Two designs are known: `crossed` (every seed predicts the same test units) and `resampled` (every split has test units of its own).
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
    """What a study says about one mean difference.

    Attributes:
        difference: Positive is better.
        seeds: How many seeds or splits there are.
        units: How many test units one of them has, after rows of one group became one unit.
        variance: Of the difference.
        df: Degrees of freedom of the variance.
    """

    difference: float
    seeds: int
    units: int

    @property
    @abstractmethod
    def variance(self) -> float:
        """Of the difference."""

    @property
    @abstractmethod
    def df(self) -> float:
        """Degrees of freedom of the variance."""

    @abstractmethod
    def half_width(self, level: float) -> float:
        """Half of the interval that misses the truth with probability at most `level`."""

    @abstractmethod
    def level_for_half_width(self, half: float) -> float:
        """The level whose interval has that half-width, which is above 0."""

    @abstractmethod
    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Half-widths with other numbers of seeds and units, elementwise, if the spread stays what it is."""

    def interval(self, level: float = 0.05) -> tuple[float, float]:
        """The interval of confidence 1 - level."""
        half = self.half_width(level)
        return self.difference - half, self.difference + half

    @property
    def p(self) -> float:
        """The two-sided p value: the smallest level whose interval excludes 0. Without any variance: 1 or 0."""
        return self.level_for_half_width(abs(self.difference)) if self.difference else 1.0

    def p_equivalence(self, margin: float) -> float:
        """The larger p of two one-sided tests of |difference| >= margin (Schuirmann, J. Pharmacokin. Biopharm. 15:657, 1987)."""
        inside = margin - abs(self.difference)
        if self.variance == 0:
            return 0.0 if inside >= 0 else 1.0
        tail = self.level_for_half_width(abs(inside)) / 2 if inside else 0.5
        return tail if inside > 0 else 1 - tail
