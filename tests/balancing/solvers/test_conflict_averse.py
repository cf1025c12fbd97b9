"""A linear term and a norm on the simplex: duality gap, the closed form of two rows, scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.balancing.solvers import minimum_norm, solve_conflict_averse
from polytask.balancing.solvers.conflict_averse import _search

pytestmark = pytest.mark.sampled(4)

every_c = pytest.mark.parametrize("c", [0.1, 0.4, 0.9, 1.0, 2.0])


def objective(G: Any, w: Any, c: float) -> float:
    b = np.full(len(G), 1 / len(G))
    return float(b @ G @ w + c * np.sqrt(max(b @ G @ b, 0)) * np.sqrt(max(w @ G @ w, 0)))


@every_c
def test_the_duality_gap_is_closed(case: Any, c: float) -> None:
    """The dual: the largest min_i gᵢ·d over ‖d − g₀‖ ≤ φ, at d = g₀ + φ x / ‖x‖."""
    n, G = len(case.J), case.gramian / case.gramian.trace() if case.gramian.any() else case.gramian
    w = solve_conflict_averse(G, c)
    assert (w >= 0).all()
    assert abs(w.sum() - 1) <= 1e-10
    b, length = np.full(n, 1 / n), np.sqrt(max(w @ G @ w, 0))
    if length > 1e-6 * np.sqrt(G.diagonal().min()) and length > 1e-7:
        worst = (G @ b + c * np.sqrt(b @ G @ b) * (G @ w) / length).min()
        assert objective(G, w, c) - worst <= 1e-9
    else:  # at the origin there is no such d; nothing on a fine cloud of points is lower
        cloud = np.random.default_rng(0).dirichlet(np.full(n, 0.3), 2000)
        assert min(objective(G, point, c) for point in cloud) >= objective(G, w, c) - 1e-9


@every_c
def test_two_rows_in_closed_form_agree_with_the_path(case: Any, c: float) -> None:
    if len(case.J) == 2 and case.gramian.any():
        G = case.gramian / case.gramian.trace()
        pull = G.mean(1)
        phi = c * np.sqrt(max(pull.mean(), 0))
        if phi > 1e-9:
            closed, searched = solve_conflict_averse(G, c), _search(G, pull, c, phi, None)
            assert abs(objective(G, closed, c) - objective(G, searched, c)) <= 1e-9


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scale_changes_no_decision(case: Any, scale: float) -> None:
    w, scaled = solve_conflict_averse(case.gramian, 0.5), solve_conflict_averse(case.gramian * scale, 0.5)
    size = max(case.gramian.trace(), 1e-300)
    assert abs(objective(case.gramian / size, w, 0.5) - objective(case.gramian / size, scaled, 0.5)) <= 1e-10


def test_a_start_changes_no_more_than_round_off(case: Any) -> None:
    start = np.random.default_rng(1).dirichlet(np.ones(len(case.J)))
    size = max(case.gramian.trace(), 1e-300)
    cold, warm = solve_conflict_averse(case.gramian, 0.5), solve_conflict_averse(case.gramian, 0.5, start)
    assert abs(objective(case.gramian / size, cold, 0.5) - objective(case.gramian / size, warm, 0.5)) <= 1e-10


def test_a_large_c_leads_to_the_nearest_point(case: Any) -> None:
    size = max(case.gramian.trace(), 1e-300)
    w, nearest = solve_conflict_averse(case.gramian, 1e6), minimum_norm(case.gramian)
    assert abs(w @ case.gramian @ w - nearest @ case.gramian @ nearest) <= 1e-5 * size


def test_without_a_norm_the_lowest_corner_is_taken() -> None:
    G = np.array([[2.0, -1.0, 0.0], [-1.0, 1.0, 0.5], [0.0, 0.5, 3.0]])
    assert solve_conflict_averse(G, 0.0).tolist() == [0.0, 1.0, 0.0]
