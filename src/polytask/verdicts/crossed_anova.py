"""How sure a mean difference is when seeds and test units are crossed random effects.

D(s, r) is the influence of unit r on the difference in seed s. Every seed meets every unit, like readers and cases in a
diagnostic study, so the two-way analysis of variance of D separates what seeds, units and the rest contribute:

    MS_S  = n sum_s (D_s. - D..)^2 / (S - 1)                      expects  n v_S + v_SR
    MS_R  = S sum_r (D_.r - D..)^2 / (n - 1)                      expects  S v_R + v_SR
    MS_SR = sum_sr (D_sr - D_s. - D_.r + D..)^2 / ((S-1)(n-1))    expects  v_SR
    V_S   = MS_S / (S n),     V_R = max(MS_R - MS_SR, 0) / (S n),     V = V_S + V_R
    df    = min(n - 1, (S - 1) (V / V_S)^2)

after Hillis, Statistics in Medicine 24:1579 (2005) and 26:596 (2007). The interval of confidence 1 - a is

    D..  +-  sqrt(t(S - 1, a)^2 V_S + t(n - 1, a)^2 V_R)          Banerjee, Sankhya 22:357 (1960)

with t(f, a) the two-sided quantile of Student's t. Deviation: Hillis uses t(df, a) sqrt(V). His df is estimated, and large
just when V_S is small by accident, which ruins the small levels that several tasks need: with 3 seeds, up to 7 times too
many false alarms at a = .05 / 14. Banerjee's needs no estimate: P(z^2 <= x) is concave in x, so mixing two intervals of
confidence 1 - a cannot lose any. df is kept to tell whether seeds (S - 1) or units (n - 1) rule.

MS_S = 0 is replaced by MS_SR. It only happens to counts: three seeds that gain exactly one hit each, on different rows,
have MS_S = 0 by accident, and would otherwise be called certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from polytask.errors import DataError
from polytask.verdicts.difference_estimate import ROUNDING_ERROR, DifferenceEstimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SMALLEST_LEVEL = 1e-100


class MeanSquares(NamedTuple):
    """Grand mean and mean squares, each of the shape of the arrays' leading axes."""

    mean: Floats
    seeds: Floats
    units: Floats
    rest: Floats


def mean_squares(differences: Floats) -> MeanSquares:
    """The two-way analysis of variance of arrays (..., S, n).

    Example:
        >>> mean_squares(np.array([[1.0, 2.0], [3.0, 4.0]])).seeds.item()
        4.0
    """
    seeds, units = differences.shape[-2:]
    by_seed, by_unit = differences.mean(axis=-1), differences.mean(axis=-2)
    mean = by_seed.mean(axis=-1)
    # Deviations that are rounding alone count as none: constant differences must have variance 0.
    noise = units * (ROUNDING_ERROR * np.abs(differences).max(axis=(-2, -1))) ** 2
    rest = differences - by_seed[..., :, None] - by_unit[..., None, :] + mean[..., None, None]
    squares = (
        units * ((by_seed - mean[..., None]) ** 2).sum(axis=-1) / (seeds - 1),
        seeds * ((by_unit - mean[..., None]) ** 2).sum(axis=-1) / (units - 1),
        (rest**2).sum(axis=(-2, -1)) / ((seeds - 1) * (units - 1)),
    )
    return MeanSquares(mean, *(np.where(square <= noise, 0.0, square) for square in squares))


def variance_of_mean(squares: MeanSquares, seeds: int, units: int) -> tuple[Floats, Floats]:
    """What seeds (V_S) and units (V_R) add to the variance of the mean difference, elementwise.

    Example:
        >>> V_S, V_R = variance_of_mean(MeanSquares(*map(np.array, (0.5, 4.0, 1.0, 0.0))), 2, 2)
        >>> V_S.item(), V_R.item()
        (1.0, 0.25)
    """
    seed_variance = np.where(squares.seeds == 0, squares.rest, squares.seeds)
    return seed_variance / (seeds * units), np.maximum(squares.units - squares.rest, 0) / (seeds * units)


def half_widths(seed_variance: ArrayLike, of_units: ArrayLike, seeds: ArrayLike, units: ArrayLike, level: ArrayLike) -> Floats:
    """Half of the interval that misses the truth with probability at most `level`, elementwise.

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
    """What S seeds times n units say about one mean difference.

    Attributes:
        difference: The mean of D: positive is better.
        seeds: S.
        units: n, after rows of one group became one unit.
        squares: MS_S, MS_R, MS_SR.
        seed_variance: V_S.
        of_units: V_R.
    """

    difference: float
    seeds: int
    units: int
    squares: MeanSquares
    seed_variance: float
    of_units: float

    @property
    def variance(self) -> float:
        """V, the variance of the difference."""
        return self.seed_variance + self.of_units

    @property
    def df(self) -> float:
        """Degrees of freedom of V: S - 1 where seeds rule, n - 1 where units do."""
        if self.seed_variance == 0:
            return float(self.units - 1)
        return min(self.units - 1.0, (self.seeds - 1) * (self.variance / self.seed_variance) ** 2)

    def half_width(self, level: float) -> float:
        """Half of the interval that misses the truth with probability at most `level`."""
        return float(half_widths(self.seed_variance, self.of_units, self.seeds, self.units, level))

    def level_for_half_width(self, half: float) -> float:
        """The level whose interval has that half-width, which is above 0."""
        if self.half_width(SMALLEST_LEVEL) < half:
            return 0.0
        low, high = math.log(SMALLEST_LEVEL), 0.0
        for _ in range(60):  # bisection of the logarithm, to the last bit
            middle = (low + high) / 2
            low, high = (low, middle) if self.half_width(math.exp(middle)) < half else (middle, high)
        return math.exp(high)

    def projected_half_widths(self, seeds: ArrayLike, units: ArrayLike, level: float) -> Floats:
        """Half-widths with S' seeds and n' units: V_S = v_S / S' + v_SR / (S' n'), V_R = v_R / n'."""
        S, n = np.asarray(seeds, dtype=np.float64), np.asarray(units, dtype=np.float64)
        between_seeds, between_units, rest = self.components()
        return half_widths(between_seeds / S + rest / (S * n), between_units / n, S, n, level)

    def components(self) -> tuple[float, float, float]:
        """Variance between seeds v_S, between units v_R and of the rest v_SR, each at least 0."""
        rest = float(self.squares.rest)
        between_seeds = max(float(self.squares.seeds) - rest, 0.0) / self.units
        between_units = max(float(self.squares.units) - rest, 0.0) / self.seeds
        return between_seeds, between_units, rest


def crossed_estimate(differences: Any) -> CrossedEstimate:  # noqa: ANN401 - whatever NumPy takes as an array
    """Analyse the influences D (S, n) of n test units on the metric difference in S seeds.

    Raises:
        DataError: Fewer than 2 seeds or 2 units: nothing can be said about their variance.

    Example:
        >>> study = crossed_estimate([[0.1, 0.3, 0.2], [0.2, 0.4, 0.3]])
        >>> [round(bound, 3) for bound in study.interval()]
        [-0.432, 0.932]
    """
    array = np.asarray(differences, dtype=np.float64)
    seeds, units = array.shape
    if seeds < 2:
        raise DataError("a verdict needs at least 2 seeds, and 5 to be worth much", where="seeds", found=seeds, remedy="Train more seeds")
    if units < 2:
        raise DataError("a verdict needs at least 2 test units", where="units", found=units, remedy="Predict more of them")
    squares = mean_squares(array)
    seed_variance, of_units = variance_of_mean(squares, seeds, units)
    return CrossedEstimate(float(squares.mean), seeds, units, squares, float(seed_variance), float(of_units))
