"""What counts as zero: the one rule for the precision of rows, Gramians, solvers and combinations.

Rows g_t are computed in a dtype whose machine epsilon is ε, and their Gramian is exact for these rows up to the round-off of float64
(`polytask.gradients.primitives.gramian` says when it is computed in float64). Then:

* A row is zero if ‖g_t‖ is below the smallest normal number of its dtype, and never because other rows are longer. The task has no
  opinion in this step: methods balance the others, unless their paper defines what a zero row means, as MGDA's does.
* Unit rows g_t / ‖g_t‖ contain errors of about ε in every number. A combination of unit rows counts as zero if its squared length is at
  most `negligible(T, ε)` times that of its coefficients: an eigenvalue of the matrix of cosines below this level is not data.
* Solvers work on unit rows, with the lengths moved into the constraints, so that long rows do not hide short ones.
* The Gramian is rounded to float64: what is left of unit rows that cancel to a length ε has a relative error of some 2⁻⁵² / ε², always
  less than the rows' own round-off makes of it, which is 2⁻²⁴ / ε for float32.
* Running means of rows are kept in float32 at least, with its round-off.
* A combination Σ w_t g_t is computed in float64 where it cancels, or where a weight is outside of the range of float32
  (`polytask.balancing.building_blocks.row_combination`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EPSILON = float(np.finfo(np.float64).eps)

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def negligible(rows: int, round_off: float = EPSILON) -> float:
    """Return the largest eigenvalue of a matrix of cosines that counts as zero: 4 n max(ε², ε₆₄).

    Gradients of a + 0.7 b and of its parts a and b in float32 networks leave eigenvalues of up to 6 ε² that are round-off only. The
    Gramian itself has an error of some n ε₆₄.

    Args:
        rows: Number n of rows.
        round_off: Machine epsilon ε of the dtype in which the rows were computed.

    Example:
        >>> negligible(2, 2.0**-23) < 1.2e-13
        True
    """
    return 4.0 * rows * max(round_off**2, EPSILON)


def unit_rows(G: Matrix) -> tuple[Matrix, Vector]:
    """Return the matrix of cosines of rows, and their lengths. A zero row has cosines of 0, with itself too.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.

    Example:
        >>> unit_rows(np.array([[4.0, 1.0], [1.0, 1.0]]))
        (array([[1. , 0.5],
               [0.5, 1. ]]), array([2., 1.]))
    """
    lengths = np.sqrt(np.maximum(G.diagonal(), 0.0))
    inverse = np.where(lengths > 0.0, 1.0 / np.where(lengths > 0.0, lengths, 1.0), 0.0)
    return G * inverse[:, None] * inverse, lengths


def cancels(weights: Vector, G: Matrix, round_off: float = EPSILON) -> bool:
    """Return whether Σ w_t g_t is zero up to round-off: wᵀ G w ≤ negligible · Σ w_t² G_tt.

    Args:
        weights: (n,) weights w.
        G: (n, n) Gramian.
        round_off: Machine epsilon of the rows.

    Example:
        >>> cancels(np.array([1.0, 1.0]), np.array([[1.0, -1.0], [-1.0, 1.0]]))
        True
    """
    C, lengths = unit_rows(G)
    parts = weights * lengths
    largest = float(np.abs(parts).max())
    if largest == 0.0:
        return True
    parts = parts / largest
    return float(parts @ C @ parts) <= negligible(len(G), round_off) * float(parts @ parts)
