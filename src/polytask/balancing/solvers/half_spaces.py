"""Projection of one row onto half-spaces that the other rows define."""

from __future__ import annotations

import numpy as np

from polytask.balancing.solvers.dual_cone import project_on_dual_cone
from polytask.balancing.solvers.round_off import Matrix, Vector, unit_rows

_FARTHEST = 1e10  # squared distance, relative to the largest violation, beyond which constraints are taken to exclude each other


def constrained_projection(G: Matrix, bounds: Vector) -> Vector | None:
    """Return the weights w of argmin ‖δ − g₀‖² subject to g_t · δ ≥ b_t for t = 1 … n − 1, where δ = Jᵀ w; `None` if there is none.

    w₀ is 1, and the others are the multipliers of the constraints. With x = δ − g₀ this is a least-distance problem, which Lawson & Hanson
    (Solving Least Squares Problems, 1974, chapter 23) reduce to one with bounds only: with the violations h = b − J g₀ of g₀,
    minimize ‖Σ u_t (g_t, h_t) − (0, 1)‖² over u ≥ 0; then the multipliers are u / (1 − h · u), and there is no solution if 1 − h · u is 0.

    Args:
        G: (n, n) Gramian of g₀ and the rows g_t of the constraints, none of which is zero.
        bounds: (n − 1,) bounds b_t.

    Example:
        >>> constrained_projection(np.array([[1.0, -0.5], [-0.5, 1.0]]), np.array([0.25]))
        array([1.  , 0.75])
    """
    weights = np.zeros(len(G))
    weights[0] = 1.0
    C, lengths = unit_rows(G)
    C, violations = C[1:, 1:], bounds / lengths[1:] - C[1:, 0] * lengths[0]
    largest = float(violations.max(initial=0.0))
    if largest <= 0.0:
        return weights
    h = violations / largest
    extended = np.block([[np.ones((1, 1)), -h[None]], [-h[:, None], C + np.outer(h, h)]])
    found = project_on_dual_cone(extended, weights[None])[0]
    u = found[1:] / found[0]
    room = 1.0 - float(h @ u)
    if room * _FARTHEST <= 1.0:
        return None
    weights[1:] = u / room * largest / lengths[1:]
    return weights
