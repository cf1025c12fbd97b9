"""G a = a^(−1/α): the equation itself, when it has no solution, laws of scale, closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.balancing.solvers import minimum_norm, solve_alpha_fair

pytestmark = pytest.mark.sampled(4)

every_alpha = pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0, 10.0])


def shortest(case: Any) -> float:
    """The length of the shortest convex combination of the unit rows."""
    unit = case.J / np.where(case.lengths > 0, case.lengths, 1)[:, None]
    w = minimum_norm(unit @ unit.T)
    return float(np.linalg.norm(unit.T @ w))


@every_alpha
def test_it_solves_the_equation_or_says_that_nothing_does(case: Any, alpha: float) -> None:
    a = solve_alpha_fair(case.gramian, alpha)
    if shortest(case) < 1e-9 or (case.lengths == 0).any():
        assert a is None
    else:
        assert a is not None
        assert (a > 0).all()
        assert np.abs(case.gramian @ a * a ** (1 / alpha) - 1).max() <= 1e-9


@every_alpha
def test_a_start_changes_no_more_than_round_off(case: Any, alpha: float) -> None:
    cold = solve_alpha_fair(case.gramian, alpha)
    if cold is not None:
        warm = solve_alpha_fair(case.gramian, alpha, cold * np.random.default_rng(1).uniform(0.5, 2.0, len(cold)))
        assert warm is not None
        assert np.allclose(np.log(cold), np.log(warm), atol=1e-6)


@every_alpha
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_scale_is_a_power(case: Any, alpha: float, scale: float) -> None:
    a, scaled = solve_alpha_fair(case.gramian, alpha), solve_alpha_fair(case.gramian * scale, alpha)
    assert (a is None) == (scaled is None)
    if a is not None and scaled is not None:
        assert np.allclose(np.log(scaled), np.log(a) - alpha / (1 + alpha) * np.log(scale), atol=1e-6)


def test_rows_lengths_drop_out_at_one(case: Any) -> None:
    lengths = 10.0 ** np.random.default_rng(2).uniform(-3, 3, len(case.J))
    a, scaled = solve_alpha_fair(case.gramian), solve_alpha_fair(case.gramian * lengths[:, None] * lengths)
    if a is not None and scaled is not None:
        assert np.allclose(a, scaled * lengths, rtol=1e-6)


@every_alpha
def test_orthogonal_rows_in_closed_form(alpha: float) -> None:
    squares = np.array([1e-6, 1.0, 4.0, 1e6])
    a = solve_alpha_fair(np.diag(squares), alpha)
    assert a is not None
    assert np.allclose(a, squares ** (-alpha / (1 + alpha)), rtol=1e-10)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.5, 3.0, 3.1])
def test_two_rows_are_bisected(angle: float) -> None:
    J = np.array([[3.0, 0.0], [0.2 * np.cos(angle), 0.2 * np.sin(angle)]])
    a = solve_alpha_fair(J @ J.T)
    assert a is not None
    assert np.allclose(a, 1 / (np.linalg.norm(J, axis=1) * np.sqrt(1 + np.cos(angle))), rtol=1e-9)
