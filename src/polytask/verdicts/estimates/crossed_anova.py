"""Confidence intervals of a mean difference with seeds and test units as crossed random effects.

D(s, r) is the influence of unit r on the difference in seed s. Every seed is evaluated on every unit, like readers and cases
in a diagnostic study, so a two-way analysis of variance of D separates the contributions of seeds, units and residual:

    MS_S  = n sum_s (D_s. - D..)^2 / (S - 1)                      expects  n v_S + v_SR
    MS_R  = S sum_r (D_.r - D..)^2 / (n - 1)                      expects  S v_R + v_SR
    MS_SR = sum_sr (D_sr - D_s. - D_.r + D..)^2 / ((S-1)(n-1))    expects  v_SR
    V_S   = MS_S / (S n),     V_R = max(MS_R - MS_SR, 0) / (S n),     V = V_S + V_R
    df    = min(n - 1, (S - 1) (V / V_S)^2)

after Hillis, Statistics in Medicine 24:1579 (2005) and 26:596 (2007). The interval of confidence 1 - a is

    D..  +-  sqrt(t(S - 1, a)^2 V_S + t(n - 1, a)^2 V_R)          Banerjee, Sankhya 22:357 (1960)

with t(f, a) the two-sided quantile of Student's t. Deviation: Hillis uses t(df, a) sqrt(V). His df is estimated, and it is
large exactly when V_S is small by chance, which invalidates the small levels that several tasks require: with 3 seeds, the
rate of false alarms at a = .05 / 14 is up to 7 times too high. Banerjee's interval needs no estimated df: P(z^2 <= x) is
concave in x, so combining two intervals of confidence 1 - a does not reduce the confidence. df is reported only to show
whether seeds (S - 1) or units (n - 1) dominate the variance.

**Few units of one class.** If the metric compares two classes, such as the AUC, n - 1 is replaced by m - 1, with m the number of units of
the rarer class, and V_R is multiplied by m / (m - 1): with few positives nearly all of the variance comes from them.

MS_S = 0 is replaced by MS_SR. It occurs only with counts: three seeds that gain exactly one hit each, on different rows,
have MS_S = 0 by chance, and the difference would otherwise have no uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from polytask.errors import DataError
from polytask.verdicts.estimates.difference_estimate import ROUNDING_ERROR, DifferenceEstimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SMALLEST_LEVEL = 1e-100


class MeanSquares(NamedTuple):
    """Grand mean and mean squares of one or more two-way analyses of variance.

    Attributes:
        mean: (...) grand means D...
        seeds: (...) mean squares between seeds MS_S.
        units: (...) mean squares between units MS_R.
        rest: (...) residual mean squares MS_SR.
    """

    mean: Floats
    seeds: Floats
    units: Floats
    rest: Floats


def mean_squares(differences: Floats) -> MeanSquares:
    """Compute the two-way analysis of variance of arrays (..., S, n), S >= 2, n >= 2.

    Example:
        >>> mean_squares(np.array([[1.0, 2.0], [3.0, 4.0]])).seeds.item()
        4.0
    """
    seeds, units = differences.shape[-2:]
    by_seed, by_unit = differences.mean(axis=-1), differences.mean(axis=-2)
    mean = by_seed.mean(axis=-1)
    # Deviations within rounding error are set to 0: constant differences must have variance 0.
    noise = units * (ROUNDING_ERROR * np.abs(differences).max(axis=(-2, -1))) ** 2
    rest = differences - by_seed[..., :, None] - by_unit[..., None, :] + mean[..., None, None]
    squares = (
        units * ((by_seed - mean[..., None]) ** 2).sum(axis=-1) / (seeds - 1),
        seeds * ((by_unit - mean[..., None]) ** 2).sum(axis=-1) / (units - 1),
        (rest**2).sum(axis=(-2, -1)) / ((seeds - 1) * (units - 1)),
    )
    return MeanSquares(mean, *(np.where(square <= noise, 0.0, square) for square in squares))


def variance_of_mean(squares: MeanSquares, seeds: int, units: int) -> tuple[Floats, Floats]:
    """Return the contributions of seeds (V_S) and units (V_R) to the variance of the mean difference, elementwise.

    Example:
        >>> V_S, V_R = variance_of_mean(MeanSquares(*map(np.array, (0.5, 4.0, 1.0, 0.0))), 2, 2)
        >>> V_S.item(), V_R.item()
        (1.0, 0.25)
    """
    seed_variance = np.where(squares.seeds == 0, squares.rest, squares.seeds)
    return seed_variance / (seeds * units), np.maximum(squares.units - squares.rest, 0) / (seeds * units)


def half_widths(seed_variance: ArrayLike, of_units: ArrayLike, seeds: ArrayLike, units: ArrayLike, level: ArrayLike) -> Floats:
    """Compute the half-width of the interval of confidence 1 - `level`, elementwise.

    Args:
        seed_variance: V_S.
        of_units: V_R.
        seeds: Number of seeds S.
        units: Number of test units n.
        level: Largest probability that the interval misses the true difference.

    Example:
        >>> half_widths(1.0, 0.0, 5, 100, 0.05).round(3).item()  # Student's t with 4 degrees of freedom
        2.776
    """
    tail = np.asarray(level, dtype=np.float64) / 2
    by_seeds = stdtrit(np.asarray(seeds, dtype=np.float64) - 1, tail)
    by_units = stdtrit(np.asarray(units, dtype=np.float64) - 1, tail)
    return np.asarray(np.sqrt(by_seeds**2 * np.asarray(seed_variance) + by_units**2 * np.asarray(of_units)))


@dataclass(frozen=True)
class CrossedEstimate(DifferenceEstimate):
    """Estimate of one mean difference from S seeds times n test units.

    Attributes:
        difference: Mean of D; positive is better.
        seeds: Number of seeds S.
        units: Number of test units n, with the rows of one group counted as one unit.
        squares: Mean squares MS_S, MS_R and MS_SR.
        seed_variance: Contribution of the seeds to the variance, V_S.
        of_units: Contribution of the units to the variance, V_R.
        rarer: Number of units of the rarer class m, for metrics that compare classes; `None` for others.
    """

    difference: float
    seeds: int
    units: int
    squares: MeanSquares
    seed_variance: float
    of_units: float
    rarer: int | None = None

    @property
    def variance(self) -> float:
        """Variance of the difference, V = V_S + V_R."""
        return self.seed_variance + self.of_units

    @property
    def df(self) -> float:
        """Degrees of freedom of V: S - 1 if seeds dominate the variance, n - 1 if units do."""
        counted = float(self._counted(self.units))
        if self.seed_variance == 0:
            return float(counted - 1)
        return min(counted - 1.0, (self.seeds - 1) * (self.variance / self.seed_variance) ** 2)

    def half_width(self, level: float) -> float:
        """Return the half-width of the interval of confidence 1 - `level`."""
        return float(half_widths(self.seed_variance, self.of_units, self.seeds, self._counted(self.units), level))

    def level_for_half_width(self, half: float) -> float:
        """Return the level whose interval has the half-width `half` > 0; levels below 1e-100 are reported as 0."""
        if self.half_width(SMALLEST_LEVEL) < half:
            return 0.0
        low, high = math.log(SMALLEST_LEVEL), 0.0
        for _ in range(60):  # bisection on the log scale, to float64 precision
            middle = (low + high) / 2
            low, high = (low, middle) if self.half_width(math.exp(middle)) < half else (middle, high)
        return math.exp(high)

    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Compute half-widths with S' seeds and n' units: V_S = v_S / S' + v_SR / (S' n'), V_R = v_R / n'."""
        S, n = np.asarray(seeds, dtype=np.float64), np.asarray(units, dtype=np.float64)
        between_seeds, between_units, rest = self.components()
        return half_widths(between_seeds / S + rest / (S * n), between_units / n, S, self._counted(n), level)

    @property
    def share_of_units(self) -> float:
        """Share of the variance that only more test units reduce."""
        return self.of_units / self.variance if self.variance else 0.0

    def _counted(self, units: ArrayLike) -> Floats:
        """Return the number of units that determine the degrees of freedom, if there were `units` of them."""
        given = np.asarray(units, dtype=np.float64)
        return given if self.rarer is None else np.maximum(2.0, given * (self.rarer / self.units))

    def components(self) -> tuple[float, float, float]:
        """Return the variance components between seeds v_S, between units v_R and residual v_SR, each at least 0."""
        rest = float(self.squares.rest)
        between_seeds = max(float(self.squares.seeds) - rest, 0.0) / self.units
        between_units = max(float(self.squares.units) - rest, 0.0) / self.seeds * _of_few(self.rarer)
        return between_seeds, between_units, rest


def _of_few(rarer: int | None) -> float:
    """Return m / (m - 1), the factor between the mean of squares and the unbiased variance of m units."""
    return 1.0 if rarer is None else rarer / max(rarer - 1, 1)


def crossed_estimate(differences: Any, rarer: int | None = None) -> CrossedEstimate:  # noqa: ANN401 - whatever NumPy takes as an array
    """Analyze the influences D (S, n) of n test units on the metric difference in S seeds.

    Args:
        differences: Influences D (S, n).
        rarer: Number of units of the rarer class, for metrics that compare classes; `None` for others.

    Raises:
        DataError: There are fewer than 2 seeds or 2 units, so that their variance cannot be estimated.

    Example:
        >>> study = crossed_estimate([[0.1, 0.3, 0.2], [0.2, 0.4, 0.3]])
        >>> [round(bound, 3) for bound in study.interval()]
        [-0.432, 0.932]
    """
    array = np.asarray(differences, dtype=np.float64)
    seeds, units = array.shape
    if seeds < 2:
        raise DataError("a verdict needs at least 2 seeds, better 5 or more", where="seeds", found=seeds, remedy="Train more seeds")
    if units < 2:
        raise DataError("a verdict needs at least 2 test units", where="units", found=units, remedy="Predict more test units")
    squares = mean_squares(array)
    seed_variance, of_units = variance_of_mean(squares, seeds, units)
    of_few = float(of_units) * _of_few(rarer)
    return CrossedEstimate(float(squares.mean), seeds, units, squares, float(seed_variance), of_few, rarer)
