"""How sure a mean difference is when every split of the rows has test units of its own.

In split j of J a network learns from n_train units and is tested on n_test others; d_j is the metric difference there. The d_j are
not independent: the splits' training rows overlap, and in repeated or random splits their test rows do too. With a correlation of
n_test / (n_train + n_test) between any two of them, the variance of their mean is

    V = (1 / J + n_test / n_train) s^2,     s^2 = sum_j (d_j - d.)^2 / (J - 1),     df = J - 1

and the interval is Student's t: Nadeau & Bengio, Machine Learning 52:239 (2003), for random splits; Bouckaert & Frank, PAKDD
2004, LNCS 3056:3, for r times k-fold cross-validation, J = k r. It speaks of training sets of n_train rows in general, not of one of
them. The correlation is a rule of thumb: a method whose result hangs less on its training rows than that gets an interval that is
too wide, and no unbiased estimate of V exists (Bengio & Grandvalet, JMLR 5:1089, 2004).

Deviation: s^2 = 0 is replaced by what the sampling of test units alone would make of it. It only happens to counts: three splits
that gain exactly one hit each would otherwise be called certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from polytask.errors import DataError
from polytask.verdicts.difference_estimate import ROUNDING_ERROR, DifferenceEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResampledEstimate(DifferenceEstimate):
    """What J splits say about one mean difference.

    Attributes:
        difference: The mean of d_j: positive is better.
        seeds: J.
        units: Test units of a split (their mean, rounded), after rows of one group became one unit.
        spread: s^2.
        ratio: n_test / n_train.
    """

    difference: float
    seeds: int
    units: int
    spread: float
    ratio: float

    @property
    def variance(self) -> float:
        """V, the variance of the difference."""
        return (1 / self.seeds + self.ratio) * self.spread

    @property
    def df(self) -> float:
        """J - 1."""
        return self.seeds - 1.0

    def half_width(self, level: float) -> float:
        """Half of the interval that misses the truth with probability at most `level`."""
        return float(self.projected_half_widths(self.seeds, self.units, level))

    def level_for_half_width(self, half: float) -> float:
        """The level whose interval has that half-width, which is above 0."""
        return 2 * float(stdtr(self.df, -half / self.variance**0.5)) if self.variance else 0.0

    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Half-widths with more splits of the same data. More units cannot be had: a split's test units come from that data."""
        del units
        splits = np.asarray(seeds, dtype=np.float64)
        return np.asarray(-stdtrit(splits - 1, level / 2) * np.sqrt((1 / splits + self.ratio) * self.spread))


def corrected_resampled_estimate(differences: Sequence[ArrayLike], ratio: float) -> ResampledEstimate:
    """Analyse the influences of the test units on the metric difference, split by split.

    Args:
        differences: Per split j the influences (n_j,) of its test units; their mean is d_j.
        ratio: n_test / n_train, in rows.

    Raises:
        DataError: Fewer than 2 splits: nothing can be said about their variance.

    Example:
        >>> study = corrected_resampled_estimate([[0.1, 0.3], [0.4, 0.4], [0.2, 0.4]], ratio=1 / 2)
        >>> [round(number, 3) for number in (study.difference, study.variance, *study.interval())]
        [0.3, 0.008, -0.093, 0.693]
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in differences]
    if len(arrays) < 2:
        what = "a verdict needs at least 2 splits, and 5 to be worth much"
        raise DataError(what, where="seeds", found=len(arrays), remedy="Train on more splits")
    means = np.array([values.mean() for values in arrays])
    # A split of one unit says nothing about its own sampling.
    of_sampling = [values.var(ddof=1) / len(values) for values in arrays if len(values) > 1]
    # Deviations that are rounding alone count as none.
    noise = (ROUNDING_ERROR * max(float(np.abs(values).max()) for values in arrays)) ** 2
    spreads = (float(spread) for spread in (means.var(ddof=1), np.mean(of_sampling or [0.0])))
    spread = next((spread for spread in spreads if spread > noise), 0.0)
    units = round(sum(map(len, arrays)) / len(arrays))
    return ResampledEstimate(float(means.mean()), len(arrays), units, spread, ratio)
