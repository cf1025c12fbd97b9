"""The program of FORUM: descent of several tasks that gives priority to the descent of one more row."""

from __future__ import annotations

import numpy as np

from polytask.balancing.solvers.round_off import Matrix, Vector
from polytask.balancing.solvers.simplex import minimum_norm, simplex_quadratic

_HALVINGS = 200


def solve_priority(C: Matrix, a: Vector, size: float, phi: float) -> tuple[Vector, float]:
    """Return (λ, ν) of min ‖Σ λ_t ĝ_t + ν q‖² − φ ν ‖q‖² over λ in the simplex and ν ≥ max(0, λ · π), with π_t = φ − a_t / ‖q‖².

    The best ν for a λ is max(0, λ · π), which leaves a problem on the simplex with two pieces. Where λ · π ≥ 0 the objective is
    ‖Σ λ_t h_t‖² + φ λ · a, with h_t = ĝ_t − a_t q / ‖q‖²; elsewhere ‖Σ λ_t ĝ_t‖². If neither piece contains its own minimum, the solution
    lies between them, on λ · π = 0, and is the minimum of ‖Σ λ_t ĝ_t‖² + s λ · π for some s ≥ 0, which bisection finds.

    Args:
        C: (T, T) Gramian of the rows ĝ_t.
        a: (T,) inner products ĝ_t · q.
        size: ‖q‖². If it is 0, ν is 0.
        phi: φ, at least 0.

    Example:
        >>> weights, share = solve_priority(np.eye(2), np.array([0.0, 0.0]), size=1.0, phi=0.1)
        >>> weights, round(share, 6)
        (array([0.5, 0.5]), 0.1)
    """
    if size <= 0.0:
        return minimum_norm(C), 0.0
    pi = phi - a / size
    first = simplex_quadratic(2.0 * (C - np.outer(a, a) / size), phi * a)
    if first @ pi >= 0.0:
        return first, float(first @ pi)
    second = minimum_norm(C)
    if second @ pi <= 0.0:
        return second, 0.0
    low, high = 0.0, 1.0
    while simplex_quadratic(2.0 * C, high * pi) @ pi > 0.0 and high < 1e30:
        high *= 4.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if simplex_quadratic(2.0 * C, middle * pi) @ pi > 0.0 else (low, middle)
    return simplex_quadratic(2.0 * C, high * pi), 0.0
