"""Quadratic problems on the simplex: optimality conditions, oracles, symmetry, scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from polytask.balancing.solvers import minimum_norm, project_simplex, simplex_quadratic

pytestmark = pytest.mark.sampled(3)


def on_simplex(w: Any) -> bool:
    return bool((w >= 0).all()) and abs(w.sum() - 1) <= 1e-12


def test_the_nearest_point_meets_its_optimality_conditions(case: Any) -> None:
    """gᵢ·x ≥ ‖x‖² for every vertex, up to round-off of that product."""
    w = minimum_norm(case.gramian)
    slopes = case.gramian @ w
    assert on_simplex(w)
    assert (w @ slopes - slopes <= 1e-11 * case.lengths * (w @ case.lengths)).all()


def test_a_start_changes_no_more_than_round_off(case: Any) -> None:
    n = len(case.J)
    start = np.random.default_rng(1).random(n)
    cold, warm = (case.J.T @ minimum_norm(case.gramian, given) for given in (None, start))
    assert np.linalg.norm(cold - warm) <= 1e-6 * case.lengths.max()


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1e6, 1e20])
def test_scale_changes_no_decision(case: Any, scale: float) -> None:
    w, scaled = minimum_norm(case.gramian), minimum_norm(case.gramian * scale)
    assert np.linalg.norm(case.J.T @ (w - scaled)) <= 1e-6 * case.lengths.max()


def test_the_order_of_rows_changes_no_point(case: Any) -> None:
    order = np.random.default_rng(2).permutation(len(case.J))
    w, mixed = minimum_norm(case.gramian), minimum_norm(case.gramian[np.ix_(order, order)])
    assert np.linalg.norm(case.J.T @ w - case.J[order].T @ mixed) <= 1e-6 * case.lengths.max()


def test_a_slow_solver_finds_nothing_shorter(case: Any) -> None:
    n = len(case.J)
    G = case.gramian / max(case.gramian.diagonal().max(), 1e-300)
    found = minimize(
        lambda w: w @ G @ w, np.full(n, 1 / n), jac=lambda w: 2 * G @ w, bounds=[(0, 1)] * n, method="SLSQP",
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(n)}, options={"maxiter": 300, "ftol": 1e-15},
    )  # fmt: skip
    w = minimum_norm(G)
    assert w @ G @ w <= max(found.fun, 0.0) + 1e-9


def test_the_quadratic_form_meets_its_optimality_conditions(case: Any) -> None:
    n = len(case.J)
    Q, p = case.gramian / max(case.gramian.diagonal().max(), 1e-300), np.random.default_rng(3).standard_normal(n)
    w = simplex_quadratic(Q, p)
    slopes = Q @ w + p
    assert on_simplex(w)
    assert (w @ slopes - slopes).max() <= 1e-11
    assert np.allclose(simplex_quadratic(Q, 0 * p) @ Q @ simplex_quadratic(Q, 0 * p), minimum_norm(Q) @ Q @ minimum_norm(Q), atol=1e-12)


def test_points_at_the_origin_share_alike() -> None:
    assert np.array_equal(minimum_norm(np.zeros((4, 4))), np.full(4, 0.25))


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e6, 1e6)))
def test_the_projection_is_the_nearest_point(v: Any) -> None:
    w = project_simplex(v)
    assert (w >= 0).all()
    assert abs(w.sum() - 1) <= 1e-9 * max(1.0, np.abs(v).max())
    # (v − w)·(e_i − w) ≤ 0 for every corner
    assert ((v - w) - (v - w) @ w <= 1e-7 * max(1.0, np.abs(v).max())).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_linear_term_outside_the_range_of_the_quadratic_one(seed: int) -> None:
    """Six rows of rank 4: along a null direction only the linear term decides, and the minimum is at the border."""
    random = np.random.default_rng(seed)
    J, p = random.normal(size=(6, 4)), 0.01 * random.normal(size=6)
    w = simplex_quadratic(J @ J.T, p)
    slopes = J @ (J.T @ w) + p
    assert w.sum() == pytest.approx(1.0)
    assert w.min() >= 0
    assert float(w @ slopes - slopes.min()) <= 1e-9
