"""Quadratic problems with lower bounds: projections onto the cone of directions that no row opposes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polytask.balancing.solvers.round_off import Matrix
from polytask.balancing.solvers.simplex import solve_or_least_squares

BoolVector = NDArray[np.bool_]

STEPS = 30
TOLERANCE = 1e-12  # error of the optimality conditions, relative to the lengths of the vectors
RIDGE = 1e-14  # added to the diagonal, so that batched systems are regular
LARGE = 1e3  # solutions of unit rows beyond this are refined


def project_on_dual_cone(G: Matrix, U: Matrix, start: Matrix | None = None) -> Matrix:
    """Return argmin vᵀ G v over v ≥ u for every row u of U.

    Jᵀ v is then the projection of Jᵀ u onto the dual cone {x: J x ≥ 0}. With v = u + x the optimality conditions are x ≥ 0,
    G v ≥ 0 and xᵀ G v = 0. All rows are solved at once by the primal-dual active-set method (Hintermüller, Ito & Kunisch, SIAM
    J. Optim. 13:865, 2002), which needs few steps but can cycle. Rows that it does not solve are solved by an active-set method
    that cannot cycle (Lawson & Hanson, Solving Least Squares Problems, 1974, chapter 23, on the Gramian).

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.
        U: (k, n) lower bounds, one problem per row.
        start: (k, n) starting point for V. It changes the result by no more than round-off; `None` means the default.

    Returns:
        (k, n) solutions V, one per row of U.

    Example:
        >>> project_on_dual_cone(np.array([[18.0, -22.0], [-22.0, 38.0]]), np.eye(2)).round(4)
        array([[1.    , 0.5789],
               [1.2222, 1.    ]])
    """
    size = float(np.trace(G))
    if size <= 0.0:
        return U.copy()
    # Scale the rows to equal length, and move their lengths into the bounds.
    lengths = np.sqrt(np.maximum(G.diagonal(), 0.0))
    lengths = np.where(lengths > 0.0, lengths, np.sqrt(size))
    C = G / lengths[:, None] / lengths
    bounds = U * lengths
    scale = np.abs(bounds).max(axis=1, keepdims=True)
    bounds = bounds / np.where(scale > 0.0, scale, 1.0)
    pulls = bounds @ C
    if (pulls >= 0.0).all():
        return U.copy()
    free = pulls < 0.0 if start is None or start.shape != U.shape else start > U * (1.0 + 1e-12 * np.sign(U))
    X, settled = _pair(C, pulls) if len(C) == 2 else _active_sets(C, pulls, free)
    for row in np.flatnonzero(~settled):
        X[row] = _one_by_one(C, pulls[row])
    return np.where(X > 0.0, (bounds + X) * scale / lengths, U)


def _pair(C: Matrix, pulls: Matrix) -> tuple[Matrix, BoolVector]:
    """Solve the problem for two rows, where at most one bound is inactive unless the rows are directly opposed."""
    X = np.zeros_like(pulls)
    settled = np.ones(len(pulls), dtype=bool)
    angle, first, second = float(C[0, 1]), float(C[0, 0]), float(C[1, 1])
    for row, (left, right) in enumerate(pulls.tolist()):
        if left < 0.0 and right + angle * (-left / first if first > 0.0 else 0.0) >= -TOLERANCE and first > 0.0:
            X[row, 0] = -left / first
        elif right < 0.0 and left + angle * (-right / second if second > 0.0 else 0.0) >= -TOLERANCE and second > 0.0:
            X[row, 1] = -right / second
        elif left < 0.0 or right < 0.0:
            settled[row] = False
    return X, settled


def _active_sets(C: Matrix, pulls: Matrix, free: BoolVector) -> tuple[Matrix, BoolVector]:
    """Guess which bounds are inactive, solve, and correct the guess where a sign is wrong, until nothing changes."""
    X = np.zeros_like(pulls)
    settled = np.zeros(len(pulls), dtype=bool)
    open_rows = np.arange(len(pulls))
    for _ in range(STEPS):
        X[open_rows] = _on_free(C, pulls[open_rows], free[open_rows])
        slopes = pulls[open_rows] + X[open_rows] @ C
        noise = TOLERANCE * (1.0 + np.abs(X[open_rows]).sum(1, keepdims=True))
        guess = np.where(free[open_rows], X[open_rows] > 0.0, slopes < -noise)
        done = (guess == free[open_rows]).all(1)
        settled[open_rows[done]] = True
        free[open_rows] = guess
        open_rows = open_rows[~done]
        if not len(open_rows):
            break
    return X, settled


def _on_free(C: Matrix, pulls: Matrix, free: BoolVector) -> Matrix:
    """Solve C_FF x_F = −pull_F for every row, with x zero elsewhere; systems are padded to the same size."""
    widest = int(free.sum(1).max())
    X = np.zeros_like(pulls)
    if not widest:
        return X
    order = np.argsort(~free, axis=1, kind="stable")[:, :widest]
    chosen = np.take_along_axis(free, order, axis=1)
    systems = C[order[:, :, None], order[:, None, :]] * (chosen[:, :, None] & chosen[:, None, :])
    places = np.arange(widest)
    systems[:, places, places] += np.where(chosen, RIDGE, 1.0)
    right = np.where(chosen, -np.take_along_axis(pulls, order, axis=1), 0.0)
    try:
        found = np.linalg.solve(systems, right[:, :, None])[:, :, 0]
        if np.abs(found).max() > LARGE:
            # Rows nearly cancel, so that the ridge is felt: one step of iterative refinement removes its share.
            rest = right - (systems @ found[:, :, None])[:, :, 0] + np.where(chosen, RIDGE * found, 0.0)
            found = found + np.linalg.solve(systems, rest[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        found = np.stack([solve_or_least_squares(system, side) for system, side in zip(systems, right, strict=True)])
    np.put_along_axis(X, order, np.where(chosen, found, 0.0), axis=1)
    return X


def _one_by_one(C: Matrix, pull: NDArray[np.float64]) -> NDArray[np.float64]:
    """Release one bound at a time, the steepest first, and reactivate bounds that would be crossed."""
    n = len(C)
    x, free = np.zeros(n), np.zeros(n, dtype=bool)
    for _ in range(30 * n):
        slopes = pull + C @ x
        noise = TOLERANCE * (1.0 + np.abs(x).sum())
        gain = np.where(free, 0.0, -slopes)
        if float(gain.max()) <= noise:
            break
        free[int(np.argmax(gain))] = True
        while True:
            places = np.flatnonzero(free)
            target = solve_or_least_squares(C[np.ix_(places, places)], -pull[places])
            if (target > 0.0).all():
                x[places] = target
                break
            current = x[places]
            vanishing = target <= 0.0
            reach = np.where(vanishing, current / np.maximum(current - target, 1e-300), np.inf)
            share = float(reach.min())
            moved = current + share * (target - current)
            moved[vanishing & (reach <= share)] = 0.0
            x[places] = np.maximum(moved, 0.0)
            free = x > 0.0
            if not free.any():
                break
    return x
