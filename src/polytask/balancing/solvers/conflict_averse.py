"""Minimum of a linear term plus a norm over the simplex."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from polytask.balancing.solvers.round_off import EPSILON, Matrix, Vector, cancels, unit_rows
from polytask.balancing.solvers.simplex import minimum_norm, solve_or_least_squares

TOLERANCE = 1e-12


def solve_conflict_averse(
    G: Matrix, c: float, start: Vector | None = None, center: Vector | None = None, round_off: float = EPSILON
) -> Vector:
    """Return argmin wᵀ G b + φ √(wᵀ G w) over the simplex, with φ = c √(bᵀ G b).

    Since √q = min over τ > 0 of (q / τ + φ² τ) / 2φ, the minimum lies on the path of solutions of the quadratic problems
    w(τ) = argmin ½ wᵀ G w + τ bᵀ G w, at the point where √(wᵀ G w) = φ τ. On a fixed support w(τ) = v₀ + τ v₁ and
    wᵀ G w = α + γ τ², so that τ² = α / (φ² − γ): the support determines the exact minimum.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.
        c: Factor c of the norm, at least 0.
        start: (n,) starting point for w. It changes the result by no more than round-off; `None` means the default.
        center: (n,) weights b of the linear term; `None` means 1/n each.
        round_off: Machine epsilon of the rows.

    Returns:
        (n,) minimum w. If wᵀ G w is negligible relative to G, the minimum is at the origin.

    Example:
        >>> solve_conflict_averse(np.array([[18.0, -22.0], [-22.0, 38.0]]), 0.5).round(4)
        array([1., 0.])
    """
    n = len(G)
    b = np.full(n, 1.0 / n) if center is None else center
    if n == 1:
        return np.ones(1)
    size = float(np.trace(G))
    if size <= 0.0:
        return np.full(n, 1.0 / n)
    G = G / size
    pull = G @ b
    phi = c * sqrt(max(float(b @ pull), 0.0))
    if c == 0.0:
        lowest: Vector = np.eye(n)[int(np.argmin(pull))]
        return lowest
    if cancels(b, G, round_off):
        return minimum_norm(G, start)
    if n == 2:
        return _pair(G, pull, phi)
    return _search(G, pull, c, phi, start)


def _pair(G: Matrix, pull: Vector, phi: float) -> Vector:
    """Solve the problem for two rows, w = (x, 1 − x): a linear function plus the root of a parabola, in closed form."""
    a, b, c = float(G[0, 0] + G[1, 1] - 2.0 * G[0, 1]), float(G[0, 1] - G[1, 1]), float(G[1, 1])
    slope = float(pull[0] - pull[1])
    rest = a * phi * phi - slope * slope
    if a <= 0.0:
        x = 0.5
    elif rest <= 0.0:
        x = 1.0 if slope < 0.0 else 0.0
    else:
        x = (-b - slope * sqrt(max(a * c - b * b, 0.0) / rest)) / a
    x = min(max(x, 0.0), 1.0)
    return np.array([x, 1.0 - x])


def _search(G: Matrix, pull: Vector, c: float, phi: float, start: Vector | None) -> Vector:
    """Solve √(wᵀ G w) = φ τ, with w(τ) = argmin ½ wᵀ G w + τ pullᵀ w, by Newton's method from support to support within a bracket."""
    low, high = 0.0, sqrt(float(G.diagonal().max())) / phi
    tau = high if start is None or start.shape != (len(G),) else sqrt(max(float(start @ G @ start), 0.0)) / phi
    tau = min(max(tau, TOLERANCE * high), high)
    w = start
    for _ in range(100):
        # Gramian of the vertices after a shift by τ times the center, whose min-norm point is w(τ).
        w = minimum_norm(G + tau * (pull[:, None] + pull) + (tau * phi / c) ** 2, w)
        if sqrt(max(float(w @ G @ w), 0.0)) > phi * tau:
            low = tau
        else:
            high = tau
        exact = _on_support(G, pull, phi, w > 0.0)
        if exact is not None and abs(exact[0] - tau) <= 1e-6 * tau and (exact[1] >= 0.0).all():
            return exact[1] if _is_minimum(G, pull, exact) else w
        if high - low <= TOLERANCE * high:
            break
        tau = exact[0] if exact is not None and low < exact[0] < high else 0.5 * (low + high)
    return w if w is not None else np.full(len(G), 1.0 / len(G))


def _on_support(G: Matrix, pull: Vector, phi: float, support: NDArray[np.bool_]) -> tuple[float, Vector] | None:
    """Return τ and w of the minimum over the affine hull of the support, or `None` if there is none."""
    places = np.flatnonzero(support)
    own, lengths = unit_rows(G[np.ix_(places, places)])
    if not lengths.all():
        return None
    # As in `minimum_norm`, the unknowns are those of unit rows: w_t = v_t min ‖g‖ / ‖g_t‖.
    shortest = float(lengths.min())
    normal = shortest / lengths
    v0, v1 = _line(own, pull[places] / lengths / shortest, normal)
    alpha, gamma = shortest**2 * max(float(v0 @ own @ v0), 0.0), shortest**2 * max(float(v1 @ own @ v1), 0.0)
    if phi * phi <= gamma:
        return None
    tau = sqrt(alpha / (phi * phi - gamma))
    w = np.zeros(len(G))
    w[places] = (v0 + tau * v1) * normal
    return tau, w


def _is_minimum(G: Matrix, pull: Vector, exact: tuple[float, Vector]) -> bool:
    """Return whether no vertex outside the support would lower the objective."""
    tau, w = exact
    slopes = G @ w + tau * pull
    level = float(w @ slopes)
    return bool((slopes >= level - 1e-9 * (abs(level) + tau)).all())


def _line(C: Matrix, pull: Vector, normal: Vector) -> tuple[Vector, Vector]:
    """Return v₀ = argmin vᵀ C v over {normalᵀ v = 1}, and v₁ = argmin ½ vᵀ C v + pullᵀ v over {normalᵀ v = 0}."""
    n = len(C)
    bordered = np.empty((n + 1, n + 1))
    bordered[:n, :n] = C
    bordered[n, :n] = bordered[:n, n] = normal
    bordered[n, n] = 0.0
    right = np.zeros((n + 1, 2))
    right[n, 0] = 1.0
    right[:n, 1] = -pull
    found = solve_or_least_squares(bordered, right)[:n]
    return found[:, 0], found[:, 1]
