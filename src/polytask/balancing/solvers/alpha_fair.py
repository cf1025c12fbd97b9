"""Positive solutions of G a = a^(−1/α)."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np

from polytask.balancing.solvers.round_off import EPSILON, Matrix, Vector, cancels, negligible, unit_rows
from polytask.balancing.solvers.simplex import minimum_norm

STEPS = 200
TOLERANCE = 1e-12  # error of the equation, relative to its right side
ROUND_OFF = 1e-14  # error of C z, relative to |C| z, that remains where sums cancel
MAX_LOG_STEP = 2.0  # largest change of a logarithm in one step
MAX_LOG_RATIO = 300.0  # largest logarithm of the ratio of two solutions
LARGEST = 1e7  # solutions beyond this suggest that rows cancel each other


def solve_alpha_fair(G: Matrix, alpha: float = 1.0, start: Vector | None = None, round_off: float = EPSILON) -> Vector | None:
    """Return the a > 0 that solves G a = a^(−1/α), elementwise.

    It is the minimum of ½ aᵀ G a − Σ φ(a_i), where φ′(x) = x^(−1/α). This objective is strictly convex on a > 0, and
    self-concordant for α = 1 (φ = log). It is found by Newton's method in the relative change of a, with steps that keep a
    positive and lower the objective (Nesterov & Nemirovskii, Interior-Point Polynomial Algorithms in Convex Programming, SIAM
    1994, section 2.2). The lengths of the rows are factored out first: for α = 1 the problem depends only on their angles.

    No solution exists if a row is zero, or if a combination of rows with weights a ≥ 0 vanishes, as for directly opposed rows:
    a would grow without bound. This is assumed if a convex combination of the unit rows is zero up to round-off.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.
        alpha: Fairness α, above 0.
        start: (n,) starting point for a. It changes the result by no more than round-off; `None` means the default.
        round_off: Machine epsilon of the rows.

    Returns:
        (n,) solution a, or `None` if there is none.

    Example:
        >>> a = solve_alpha_fair(np.array([[18.0, -22.0], [-22.0, 38.0]]))
        >>> (np.array([[18.0, -22.0], [-22.0, 38.0]]) @ a * a).round(6)
        array([1., 1.])
    """
    squares = G.diagonal()
    if not (squares > 0.0).all():
        return None
    # a_i = k_i z_i with k_i = s G_ii^(−α/(1+α)), the solution for orthogonal rows, where s = 1.
    unit = squares ** (-alpha / (1.0 + alpha))
    C = G * unit[:, None] * unit
    gains = unit ** (1.0 - 1.0 / alpha)
    size = float(gains.max())
    C, gains = C / size, gains / size
    first = None if start is None or start.shape != squares.shape or not (start > 0.0).all() else start / unit
    z = _pair(C, gains, 1.0 / alpha, round_off) if len(G) == 2 else _newton(C, gains, 1.0 / alpha, first, round_off)
    return None if z is None else z * unit


def _pair(C: Matrix, gains: Vector, power: float, round_off: float) -> Vector | None:
    """Solve the problem for two rows.

    With the ratio r = z₂ / z₁ = eˢ, the quotient of both equations is increasing in s:

        log(c₁₂ + c₂₂ r) − log(c₁₁ + c₁₂ r) + power · s = log(gain₂ / gain₁)

    so that Newton's method within a bracket finds its root, in plain numbers. For α = 1, z = 1 / √(1 + cos).
    """
    c11, c12, c22 = float(C[0, 0]), float(C[0, 1]), float(C[1, 1])
    angle = 1.0 + c12 / sqrt(c11 * c22)
    if angle <= negligible(2, round_off):  # the shortest combination of two unit rows is half of their sum
        return None
    if power == 1.0:
        return np.full(2, 1.0 / sqrt(angle))
    wanted = log(float(gains[1]) / float(gains[0]))
    low, high = (log(-c12 / c22), log(c11 / -c12)) if c12 < 0.0 else (-MAX_LOG_RATIO, MAX_LOG_RATIO)
    s = 0.5 * (low + high)
    for _ in range(STEPS):
        r = exp(s)
        first, second = c11 + c12 * r, c12 + c22 * r
        if first <= 0.0 or second <= 0.0:
            break
        rest = log(second / first) + power * s - wanted
        low, high = (low, s) if rest > 0.0 else (s, high)
        move = s - rest / (r * (c22 / second - c12 / first) + power)
        if abs(move - s) <= 1e-15 * max(1.0, abs(s)):
            break
        s = move if low < move < high else 0.5 * (low + high)
    r = exp(s)
    z = (float(gains[0]) / max(c11 + c12 * r, 1e-300)) ** (1.0 / (1.0 + power))
    found = np.array([z, r * z])
    right = gains * found**-power
    # For almost opposed rows, 53 bits do not determine s precisely enough.
    return found if (np.abs(C @ found - right) <= TOLERANCE * right).all() else _newton(C, gains, power, None, round_off)


def _newton(C: Matrix, gains: Vector, power: float, start: Vector | None, round_off: float) -> Vector | None:
    """Solve C z = gains · z^(−power) for z > 0, with both sides as unknowns: C z = y and y = gains · z^(−power)."""
    z = _scaled(C, gains, power, np.ones(len(C)) if start is None else start)
    y = gains * z**-power
    diagonal = np.diag_indices(len(z))
    doubtful = True
    for _ in range(STEPS):
        product = C @ z
        right = gains * z**-power
        rest = product - right
        noise = ROUND_OFF * (np.abs(C) @ z)
        if (np.abs(rest) <= TOLERANCE * right).all():
            return z
        if doubtful and (z.max() > LARGEST or (np.abs(rest) <= noise).all()):
            if has_vanishing_combination(C, round_off):
                return None
            doubtful = False
        log_rest = np.log(y / right)
        # Solve for the relative changes of z and y. Symmetrizing would lose entries of z that are many orders of magnitude smaller.
        system = C * z
        system[diagonal] += power * y
        try:
            change = np.linalg.solve(system, y - product - y * log_rest)
        except np.linalg.LinAlgError:
            break
        change_of_y = -log_rest - power * change
        largest = max(float(np.abs(change).max()), float(np.abs(change_of_y).max()))
        if largest <= 1e-15:
            break
        step = min(1.0, MAX_LOG_STEP / largest)
        z, y = z * np.exp(step * change), y * np.exp(step * change_of_y)
    near = np.abs(C @ z - gains * z**-power) <= 1e-9 * gains * z**-power + ROUND_OFF * (np.abs(C) @ z)
    return z if near.all() and not has_vanishing_combination(C, round_off) else None


def has_vanishing_combination(C: Matrix, round_off: float) -> bool:
    """Return whether a combination of the unit rows with non-negative weights vanishes up to round-off."""
    cosines, _ = unit_rows(C)
    return cancels(minimum_norm(cosines), cosines, round_off)


def _scaled(C: Matrix, gains: Vector, power: float, z: Vector) -> Vector:
    """Return the multiple of z with zᵀ C z = Σ gains · z^(1−power), which is the minimum along the ray."""
    square, gain = float(z @ C @ z), float((gains * z ** (1.0 - power)).sum())
    return z * (gain / square) ** (1.0 / (1.0 + power)) if square > 0.0 else z
