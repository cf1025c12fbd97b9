"""Quadratic problems on the simplex {w: w ≥ 0, Σ w = 1}."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LARGEST = 1e10  # largest solution of a regular system with entries of about 1
TOLERANCE = 1e-13  # error of inner products, relative to the lengths of the vectors


def minimum_norm(G: Matrix, start: Vector | None = None) -> Vector:
    """Return argmin wᵀ G w over the simplex: the weights of the point of a polytope that is nearest to the origin.

    Wolfe's active-set method (Mathematical Programming 11:128, 1976) on the Gramian of the vertices, which is exact up to
    round-off after finitely many steps. If several w give the same point, one of them is returned; if all vertices are at the
    origin, the uniform one.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.
        start: (n,) starting point for w. It changes the result by no more than round-off; `None` means the default.

    Returns:
        (n,) minimum w.

    Example:
        >>> minimum_norm(np.array([[18.0, -22.0], [-22.0, 38.0]])).round(4)
        array([0.6, 0.4])
    """
    n = len(G)
    if n == 1:
        return np.ones(1)
    if n == 2:
        return _pair(float(G[0, 0]), float(G[0, 1]), float(G[1, 1]))
    size = float(G.diagonal().max())
    if size <= 0.0:
        return np.full(n, 1.0 / n)
    scaled = G / size
    return _nearest(scaled, np.sqrt(np.maximum(scaled.diagonal(), 0.0)), start)


def simplex_quadratic(Q: Matrix, p: Vector, start: Vector | None = None) -> Vector:
    """Return argmin ½ wᵀ Q w + pᵀ w over the simplex.

    Since Σ w = 1, the objective is ½ wᵀ (Q + 1 pᵀ + p 1ᵀ) w, which the same active-set method minimizes.

    Args:
        Q: (n, n) matrix of the quadratic term, symmetric and positive semi-definite.
        p: (n,) vector of the linear term.
        start: (n,) starting point for w; `None` means the default.

    Example:
        >>> simplex_quadratic(np.eye(2), np.array([0.0, -0.5])).round(4)
        array([0.25, 0.75])
    """
    if len(Q) == 1:
        return np.ones(1)
    combined = Q + p[:, None] + p
    size = float(np.abs(combined).max())
    if size <= 0.0:
        return np.full(len(Q), 1.0 / len(Q))
    return _nearest(combined / size, np.ones(len(Q)), start)


def project_simplex(v: Vector) -> Vector:
    """Return the point of the simplex that is nearest to v (Held, Wolfe & Crowder, Mathematical Programming 6:62, 1974).

    Example:
        >>> project_simplex(np.array([1.0, 0.5, -3.0]))
        array([0.75, 0.25, 0.  ])
    """
    v = v - v.max()  # does not change the result, and keeps the 1 below from being lost to round-off next to large numbers
    descending = np.sort(v)[::-1]
    thresholds = (np.cumsum(descending) - 1.0) / np.arange(1, len(v) + 1)
    nearest: Vector = np.maximum(v - thresholds[np.nonzero(descending > thresholds)[0][-1]], 0.0)
    return nearest


def _pair(first: float, cross: float, second: float) -> Vector:
    """Return the weights of the point of a line segment that is nearest to the origin."""
    length = first + second - 2.0 * cross
    if length <= 0.0:
        return np.array([0.5, 0.5])
    share = min(max((second - cross) / length, 0.0), 1.0)
    return np.array([share, 1.0 - share])


def _nearest(G: Matrix, lengths: Vector, start: Vector | None) -> Vector:
    """Run the active-set method for any G that is convex on {Σ w = 1}, with entries of at most 1.

    The tolerance of the optimality test is the round-off of the inner products, given the lengths of the rows, so that long
    rows do not hide short ones.
    """
    n = len(G)
    w = np.zeros(n)
    if start is not None and start.shape == (n,) and np.isfinite(start).all() and start.max() > 0.0:
        w = np.maximum(start, 0.0) / np.maximum(start, 0.0).sum()
    else:
        w[int(np.argmin(G.diagonal()))] = 1.0
    support, lowest = w > 0.0, np.inf
    for step in range(20 * n + 100):
        if step or start is not None:
            moved, support = _to_affine_minimum(G, w, support)
            value = float(moved @ G @ moved)
            if value >= lowest:  # in exact arithmetic every step descends; only round-off is left
                break
            w, lowest = moved, value
        slopes = G @ w
        gain = float(w @ slopes) - slopes - TOLERANCE * lengths * float(w @ lengths)
        best = int(np.argmax(gain))
        if gain[best] <= 0.0 or support[best]:
            break
        support[best] = True
    return w


def _to_affine_minimum(G: Matrix, w: Vector, support: NDArray[np.bool_]) -> tuple[Vector, NDArray[np.bool_]]:
    """Move to the minimum over the affine hull of the support, dropping weights that would become negative on the way."""
    while True:
        places = np.flatnonzero(support)
        target = affine_minimum(G[np.ix_(places, places)])
        current = w[places]
        if (target > 0.0).all():
            moved = target
        else:
            vanishing = target <= 0.0
            with np.errstate(divide="ignore", invalid="ignore"):
                reach = np.where(vanishing, current / (current - target), np.inf)
            share = float(np.nanmin(reach)) if not np.isnan(reach).all() else 0.0
            moved = current + min(share, 1.0) * (target - current)
            moved[vanishing & (reach <= share)] = 0.0
            moved[np.isnan(reach)] = 0.0
        w = np.zeros(len(w))
        w[places] = np.maximum(moved, 0.0)
        w /= w.sum()
        support = w > 0.0
        if (target > 0.0).all():
            return w, support


def affine_minimum(G: Matrix) -> Vector:
    """Return argmin vᵀ G v over {Σ v = 1}, with entries of any sign; a short one if there are several."""
    n = len(G)
    bordered = np.ones((n + 1, n + 1))
    bordered[:n, :n] = G
    bordered[n, n] = 0.0
    right = np.zeros(n + 1)
    right[n] = 1.0
    return solve_or_least_squares(bordered, right)[:n]


def solve_or_least_squares(A: Matrix, y: Matrix) -> Matrix:
    """Return A⁻¹ y, or the shortest least-squares solution if A is singular up to round-off."""
    try:
        x: Matrix = np.asarray(np.linalg.solve(A, y), dtype=np.float64)
    except np.linalg.LinAlgError:
        x = np.full(y.shape, np.inf)
    if not np.abs(x).max() < LARGEST:
        x = np.asarray(np.linalg.lstsq(A, y, rcond=1e-13)[0], dtype=np.float64)
    return x
