"""Functions of the eigenvalues of a Gramian."""

from __future__ import annotations

from typing import Literal

import numpy as np

from polytask.balancing.solvers.simplex import Matrix, Vector

EPSILON = float(np.finfo(np.float64).eps)


def _spectrum(G: Matrix) -> tuple[Vector, Matrix]:
    """Return the eigenvalues that are not zero up to round-off, and their eigenvectors as columns."""
    values, vectors = np.linalg.eigh(G)
    kept = values > max(float(values[-1]), 0.0) * len(G) * EPSILON
    return values[kept], vectors[:, kept]


def pseudo_inverse_times(G: Matrix, y: Vector) -> Vector:
    """Return G⁺ y, the shortest x with the smallest ‖G x − y‖; eigenvalues up to λ_max n ε count as zero.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite.
        y: (n,) right side.

    Example:
        >>> pseudo_inverse_times(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 1.0])).round(4)
        array([0.5, 0.5])
    """
    values, vectors = _spectrum(G)
    return vectors @ ((vectors.T @ y) / values)


def symmetric_root(G: Matrix, mode: Literal["min", "median", "rmse"] = "min") -> Matrix:
    """Return B = √s V Λ^(−½) Vᵀ, with the spectrum (Λ, V) of G without its zeros.

    Bᵀ G B is s times the projection onto the range of G: the principal components of a matrix with this Gramian get the same
    length. s is the smallest of the eigenvalues, their median (the lower one of an even number), or their mean.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite. For a zero matrix the identity is returned.
        mode: Choice of s: `min`, `median` or `rmse` (the mean).

    Example:
        >>> symmetric_root(np.diag([4.0, 1.0])).round(4)
        array([[0.5, 0. ],
               [0. , 1. ]])
    """
    values, vectors = _spectrum(G)
    if not len(values):
        return np.eye(len(G))
    size = {"min": values[0], "median": values[(len(values) - 1) // 2], "rmse": values.mean()}[mode]
    root: Matrix = (vectors * np.sqrt(size / values)) @ vectors.T
    return root
