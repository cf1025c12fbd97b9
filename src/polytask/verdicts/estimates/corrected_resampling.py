"""Confidence intervals of a mean difference over cross-validation splits, with the correction of Nadeau & Bengio.

In split j of J a network is trained on n_train units and tested on n_test others; d_j is the metric difference in that split. The
d_j are not independent: the training rows of the splits overlap, and in repeated or random splits their test rows do too. With a
correlation of n_test / (n_train + n_test) between any two of them, the variance of their mean is

    V = (1 / J + n_test / n_train) s^2,     s^2 = sum_j (d_j - d.)^2 / (J - 1),     df = J - 1

and the interval is Student's t: Nadeau & Bengio, Machine Learning 52:239 (2003), for random splits; Bouckaert & Frank, PAKDD
2004, LNCS 3056:3, for r times k-fold cross-validation, J = k r. The interval is about training sets of n_train rows in general, not
about a particular one. The correlation is a rule of thumb: a method whose result depends less on its training rows gets an interval
that is too wide, and no unbiased estimate of V exists (Bengio & Grandvalet, JMLR 5:1089, 2004).

Deviation: s^2 = 0 is replaced by the variance that the sampling of test units alone implies. It occurs only with counts: the
difference of three splits that gain exactly one hit each would otherwise have no uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from polytask.errors import DataError
from polytask.verdicts.estimates.difference_estimate import ROUNDING_ERROR, DifferenceEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResampledEstimate(DifferenceEstimate):
    """Estimate of one mean difference from J splits.

    Attributes:
        difference: Mean of the d_j; positive is better.
        seeds: Number of splits J.
        units: Mean number of test units per split, rounded, with the rows of one group counted as one unit.
        spread: Variance s^2 of the d_j.
        ratio: Test units per training unit, n_test / n_train.
    """

    difference: float
    seeds: int
    units: int
    spread: float
    ratio: float

    @property
    def variance(self) -> float:
        """Variance V of the difference."""
        return (1 / self.seeds + self.ratio) * self.spread

    @property
    def df(self) -> float:
        """Degrees of freedom of the variance, J - 1."""
        return self.seeds - 1.0

    def half_width(self, level: float) -> float:
        """Return the half-width of the interval of confidence 1 - `level`."""
        return float(self.projected_half_widths(self.seeds, self.units, level))

    def level_for_half_width(self, half: float) -> float:
        """Return the level whose interval has the half-width `half` > 0."""
        return 2 * float(stdtr(self.df, -half / self.variance**0.5)) if self.variance else 0.0

    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Compute half-widths for other numbers of splits of the same data, elementwise.

        `units` is ignored: the test units of a split are part of the same data, so their number is fixed.
        """
        del units
        splits = np.asarray(seeds, dtype=np.float64)
        return np.asarray(-stdtrit(splits - 1, level / 2) * np.sqrt((1 / splits + self.ratio) * self.spread))


def corrected_resampled_estimate(differences: Sequence[ArrayLike], ratio: float) -> ResampledEstimate:
    """Analyze the influences of the test units on the metric difference, split by split.

    Args:
        differences: Influences (n_j,) of the test units of every split j; their mean is d_j.
        ratio: Test units per training unit, n_test / n_train.

    Raises:
        DataError: There are fewer than 2 splits, so that their variance cannot be estimated.

    Example:
        >>> study = corrected_resampled_estimate([[0.1, 0.3], [0.4, 0.4], [0.2, 0.4]], ratio=1 / 2)
        >>> [round(number, 3) for number in (study.difference, study.variance, *study.interval())]
        [0.3, 0.008, -0.093, 0.693]
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in differences]
    if len(arrays) < 2:
        what = "a verdict needs at least 2 splits, better 5 or more"
        raise DataError(what, where="seeds", found=len(arrays), remedy="Train on more splits")
    means = np.array([values.mean() for values in arrays])
    # The sampling variance of a split with a single unit is undefined.
    of_sampling = [values.var(ddof=1) / len(values) for values in arrays if len(values) > 1]
    # Deviations within rounding error count as 0.
    noise = (ROUNDING_ERROR * max(float(np.abs(values).max()) for values in arrays)) ** 2
    spreads = (float(spread) for spread in (means.var(ddof=1), np.mean(of_sampling or [0.0])))
    spread = next((spread for spread in spreads if spread > noise), 0.0)
    units = round(sum(map(len, arrays)) / len(arrays))
    return ResampledEstimate(float(means.mean()), len(arrays), units, spread, ratio)
