"""Quadratic problems on the simplex {w: w ≥ 0, Σ w = 1}."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polytask.balancing.solvers.round_off import Matrix, Vector, unit_rows

LARGEST = 1e10  # largest solution of a regular system with entries of about 1
RIDGE = 1e-10  # added to the diagonal of a quadratic term that is singular on the simplex
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
    C, lengths = unit_rows(G)
    if not lengths.all():
        vanished = np.where(lengths == 0.0, 1.0, 0.0)
        only: Vector = vanished / vanished.sum()
        return only
    # With x_t = w_t ‖g_t‖ / min ‖g‖ the vertices are unit rows, on the plane Σ x_t min ‖g‖ / ‖g_t‖ = 1: long rows do not hide short ones.
    normal = float(lengths.min()) / lengths
    first = None if start is None or start.shape != (n,) else start / normal
    weights: Vector = _nearest(C, normal, np.ones(n), first) * normal
    weights /= weights.sum()
    return weights


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
    scaled, centered = combined / size, Q / size - (Q / size).mean(0)
    if np.linalg.eigvalsh(centered - centered.mean(1, keepdims=True))[1] <= RIDGE:
        # Without curvature along some direction, a step to the minimum of a face may have no end; with a little, it ends at the face's
        # border. From there the exact problem has the same face.
        near = _nearest(scaled + RIDGE * np.eye(len(Q)), np.ones(len(Q)), np.ones(len(Q)), start)
        exact = _nearest(scaled, np.ones(len(Q)), np.ones(len(Q)), near)
        return exact if float(exact @ scaled @ exact) <= float(near @ scaled @ near) + TOLERANCE else near
    return _nearest(scaled, np.ones(len(Q)), np.ones(len(Q)), start)


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


def _nearest(C: Matrix, normal: Vector, lengths: Vector, start: Vector | None) -> Vector:
    """Return argmin xᵀ C x over {x ≥ 0, normalᵀ x = 1}, for a C that is convex on this plane, with entries of at most 1.

    The tolerance of the optimality test is the round-off of the inner products, given the lengths of the rows.
    """
    n = len(C)
    x = np.zeros(n)
    if start is not None and start.shape == (n,) and np.isfinite(start).all() and start.max() > 0.0:
        x = np.maximum(start, 0.0) / float(normal @ np.maximum(start, 0.0))
    else:
        first = int(np.argmin(C.diagonal() / normal**2))
        x[first] = 1.0 / normal[first]
    support, lowest = x > 0.0, np.inf
    for step in range(20 * n + 100):
        if step or start is not None:
            moved, support = _to_affine_minimum(C, normal, x, support)
            value = float(moved @ C @ moved)
            if value >= lowest:  # in exact arithmetic every step descends; only round-off is left
                break
            x, lowest = moved, value
        slopes = C @ x
        gain = normal * float(x @ slopes) - slopes - TOLERANCE * lengths * float(x @ lengths)
        best = int(np.argmax(gain))
        if gain[best] <= 0.0 or support[best]:
            break
        support[best] = True
    return x


def _to_affine_minimum(C: Matrix, normal: Vector, x: Vector, support: NDArray[np.bool_]) -> tuple[Vector, NDArray[np.bool_]]:
    """Move to the minimum over the affine hull of the support, dropping weights that would become negative on the way."""
    while True:
        places = np.flatnonzero(support)
        target = affine_minimum(C[np.ix_(places, places)], normal[places])
        current = x[places]
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
        x = np.zeros(len(x))
        x[places] = np.maximum(moved, 0.0)
        x /= float(normal @ x)
        support = x > 0.0
        if (target > 0.0).all():
            return x, support


def affine_minimum(C: Matrix, normal: Vector) -> Vector:
    """Return argmin vᵀ C v over {normalᵀ v = 1}, with entries of any sign; a short one if there are several."""
    n = len(C)
    bordered = np.empty((n + 1, n + 1))
    bordered[:n, :n] = C
    bordered[n, :n] = bordered[:n, n] = normal
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
