"""Projections on the dual cone: optimality conditions, an oracle, two rows, both methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

from polytask.balancing.solvers import project_on_dual_cone
from polytask.balancing.solvers.dual_cone import _active_sets, _one_by_one

pytestmark = pytest.mark.sampled(2)


def errors(case: Any, U: Any, V: Any) -> float:
    """The worst violation of G v ≥ 0 and of complementarity, against the lengths of what is multiplied."""
    slopes = V @ case.gramian
    sizes = case.lengths * (np.abs(U) @ case.lengths)[:, None]
    sizes = np.where(sizes > 0, sizes, 1.0)
    moved = U * (1 + 1e-9) < V
    return float(max((np.maximum(-slopes, 0) / sizes).max(), np.where(moved, np.abs(slopes) / sizes, 0).max()))


def test_all_rows_meet_their_optimality_conditions(case: Any) -> None:
    n = len(case.J)
    for U in (np.eye(n) / n, np.full((1, n), 1 / n), np.random.default_rng(0).random((3, n))):
        V = project_on_dual_cone(case.gramian, U)
        assert (U <= V).all()
        assert errors(case, U, V) <= 1e-9


def test_non_negative_least_squares_finds_the_same_projection(case: Any) -> None:
    """min ‖Jᵀ(u + x)‖ over x ≥ 0."""
    u = np.full(len(case.J), 1.0)
    x, _ = nnls(case.J.T, -case.J.T @ u, maxiter=10_000)
    ours, theirs = case.J.T @ project_on_dual_cone(case.gramian, u[None])[0], case.J.T @ (u + x)
    assert np.linalg.norm(ours) <= np.linalg.norm(theirs) * (1 + 1e-9) + 1e-7 * case.lengths.max()


def test_a_start_changes_no_more_than_round_off(case: Any) -> None:
    n = len(case.J)
    U = np.eye(n)
    start = U + np.random.default_rng(1).random((n, n)) * (np.random.default_rng(2).random((n, n)) < 0.3)
    cold, warm = project_on_dual_cone(case.gramian, U) @ case.J, project_on_dual_cone(case.gramian, U, start) @ case.J
    assert np.abs(cold - warm).max() <= 1e-6 * case.lengths.max()


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scale_changes_no_decision(case: Any, scale: float) -> None:
    U = np.eye(len(case.J))
    assert (
        np.abs((project_on_dual_cone(case.gramian, U) - project_on_dual_cone(case.gramian * scale, U)) @ case.J).max()
        <= 1e-6 * case.lengths.max()
    )


def test_both_methods_agree(case: Any) -> None:
    """The one that cannot cycle is the oracle of the fast one, where that settles."""
    if (case.lengths > 0).all():
        C = case.gramian / case.lengths[:, None] / case.lengths
        unit = case.J / case.lengths[:, None]
        X, settled = _active_sets(C, C.copy(), C < 0)
        for row in np.flatnonzero(settled):
            assert np.linalg.norm(unit.T @ (X[row] - _one_by_one(C, C[row]))) <= 1e-6


def test_rows_that_oppose_each_other_vanish() -> None:
    J = np.array([[1.0, 2.0], [-1.0, -2.0]])
    assert np.abs(project_on_dual_cone(J @ J.T, np.eye(2)) @ J).max() <= 1e-12
