"""The analysis of variance against explicit loops, and its corners."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polytask.errors import DataError
from polytask.verdicts.estimates.crossed_anova import crossed_estimate, half_widths, mean_squares, variance_of_mean


def by_loops(D: np.ndarray) -> tuple[float, float, float, float]:
    seeds, units = D.shape
    grand = sum(D[s, r] for s in range(seeds) for r in range(units)) / (seeds * units)
    row = [sum(D[s]) / units for s in range(seeds)]
    column = [sum(D[s, r] for s in range(seeds)) / seeds for r in range(units)]
    seed_variance = units * sum((value - grand) ** 2 for value in row) / (seeds - 1)
    of_units = seeds * sum((value - grand) ** 2 for value in column) / (units - 1)
    rest = sum((D[s, r] - row[s] - column[r] + grand) ** 2 for s in range(seeds) for r in range(units))
    return grand, seed_variance, of_units, rest / ((seeds - 1) * (units - 1))


def drawn(seeds: int, units: int, root: int = 0, seed_variance: float = 0.5, of_units: float = 1.0) -> np.ndarray:
    generator = np.random.default_rng(root)
    effects = seed_variance * generator.normal(size=(seeds, 1)) + of_units * generator.normal(size=(1, units))
    return effects + generator.normal(size=(seeds, units)) + 0.1


@pytest.mark.parametrize(("seeds", "units"), [(2, 2), (3, 7), (5, 40)])
def test_against_loops(seeds: int, units: int) -> None:
    D = drawn(seeds, units)
    mean, seed_variance, of_units, rest = by_loops(D)
    study = crossed_estimate(D)
    assert (study.difference, *study.squares[1:]) == pytest.approx((mean, seed_variance, of_units, rest), rel=1e-12)
    V = (seed_variance + max(of_units - rest, 0)) / (seeds * units)
    df = min(units - 1, (seed_variance + max(of_units - rest, 0)) ** 2 / (seed_variance**2 / (seeds - 1)))
    assert (study.variance, study.df) == pytest.approx((V, df), rel=1e-12)


def test_leading_axes_are_studies_of_their_own() -> None:
    stack = np.stack([drawn(3, 9, root) for root in range(4)])
    together = mean_squares(stack)
    for i, D in enumerate(stack):
        assert [float(part[i]) for part in together] == pytest.approx([float(part) for part in mean_squares(D)], rel=1e-12)


def test_expectations_are_those_of_the_equations() -> None:
    """Over many arrays V is the variance of the mean, and the components are unbiased (before truncation)."""
    generator = np.random.default_rng(1)
    S, n, v_S, v_R, v_SR = 4, 30, 0.3, 0.8, 1.5
    shape = (20_000, S, n)
    D = np.sqrt(v_S) * generator.normal(size=(shape[0], S, 1)) + np.sqrt(v_R) * generator.normal(size=(shape[0], 1, n))
    squares = mean_squares(D + np.sqrt(v_SR) * generator.normal(size=shape))
    expected = (n * v_S + v_SR, S * v_R + v_SR, v_SR)
    assert [part.mean() for part in squares[1:]] == pytest.approx(expected, rel=0.03)
    seed_variance, of_units = variance_of_mean(squares, S, n)
    assert (seed_variance + of_units).mean() == pytest.approx(squares.mean.var(), rel=0.04)


def test_seeds_alone_are_a_plain_t_test() -> None:
    shifts = np.array([0.3, 0.1, 0.25, -0.05, 0.2])
    study = crossed_estimate(np.repeat(shifts[:, None], 50, axis=1))
    plain = stats.ttest_1samp(shifts, 0)
    low, high = plain.confidence_interval(0.95)
    assert study.df == 4
    assert (study.p, *study.interval(0.05)) == pytest.approx((plain.pvalue, low, high), rel=1e-9)


def test_units_alone_are_a_plain_t_test() -> None:
    shifts = np.random.default_rng(2).normal(0.2, 1, size=60)
    study = crossed_estimate(np.repeat(shifts[None], 3, axis=0))
    plain = stats.ttest_1samp(shifts, 0)
    assert study.df == 59
    assert (study.p, *study.interval(0.05)) == pytest.approx((plain.pvalue, *plain.confidence_interval(0.95)), rel=1e-9)


@pytest.mark.parametrize("level", [0.3, 0.05, 1e-4])
def test_p_is_the_level_whose_interval_touches_zero(level: float) -> None:
    study = crossed_estimate(drawn(4, 25, seed_variance=0.1))
    shifted = crossed_estimate(drawn(4, 25, seed_variance=0.1) - study.difference + study.half_width(level))
    assert shifted.p == pytest.approx(level, rel=1e-9)
    assert study.p_equivalence(abs(study.difference) + study.half_width(level)) == pytest.approx(level / 2, rel=1e-9)
    assert study.p_equivalence(abs(study.difference) - study.half_width(level)) == pytest.approx(1 - level / 2, rel=1e-9)


def test_interval_mixes_two_quantiles() -> None:
    low, high = stats.t.ppf(0.975, [4, 99])
    assert half_widths(2.0, 3.0, 5, 100, 0.05) == pytest.approx(np.sqrt(2 * low**2 + 3 * high**2), rel=1e-12)


def test_sign_flip_and_order() -> None:
    D = drawn(5, 20)
    study, flipped = crossed_estimate(D), crossed_estimate(-D)
    assert flipped.difference == -study.difference
    assert flipped.interval() == tuple(-bound for bound in reversed(study.interval()))
    generator = np.random.default_rng(3)
    shuffled = crossed_estimate(D[generator.permutation(5)][:, generator.permutation(20)])
    assert (shuffled.difference, shuffled.variance, shuffled.p) == pytest.approx((study.difference, study.variance, study.p), rel=1e-9)


def test_without_any_variance() -> None:
    nothing = crossed_estimate(np.zeros((3, 10)))
    assert (nothing.p, nothing.interval(), nothing.p_equivalence(0.0), nothing.df) == (1.0, (0.0, 0.0), 0.0, 9)
    constant = crossed_estimate(np.full((3, 7), 0.1))
    assert constant.variance == 0
    assert (constant.p, constant.p_equivalence(0.05), constant.p_equivalence(0.2)) == (0.0, 1.0, 0.0)
    assert constant.interval() == (constant.difference, constant.difference)


def test_equal_gains_on_different_rows_are_no_certainty() -> None:
    """Three seeds that each gain one hit: MS_S is 0 by accident, and the p value must not be."""
    D = np.zeros((3, 50))
    D[[0, 1, 2], [4, 17, 40]] = 1
    study = crossed_estimate(D)
    assert study.squares.seeds == 0
    assert study.p > 0.2


@pytest.mark.parametrize("D", [np.zeros((1, 10)), np.zeros((3, 1))])
def test_too_little_is_refused(D: np.ndarray) -> None:
    with pytest.raises(DataError, match="at least 2"):
        crossed_estimate(D)
