"""Functions of the eigenvalues of a Gramian, or of the matrix of cosines of its rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.linalg.lapack import dgejsv

from polytask.balancing.solvers.round_off import EPSILON, Matrix, Vector, negligible, unit_rows

GRADED = 1e3
"""Ratio of the lengths of rows from which the eigenvalues of their Gramian lose precision."""


def _spectrum(C: Matrix, round_off: float) -> tuple[Vector, Matrix]:
    """Return the eigenvalues that are not zero up to round-off of the rows, and their eigenvectors as columns."""
    values, vectors = np.linalg.eigh(C)
    kept = values > negligible(len(C), round_off) * float(C.diagonal().max())
    return values[kept], vectors[:, kept]


def pseudo_inverse_times(C: Matrix, y: Vector, round_off: float = EPSILON) -> Vector:
    """Return C⁺ y, the shortest x with the smallest ‖C x − y‖; eigenvalues that are zero up to round-off count as zero.

    Args:
        C: (n, n) Gramian of rows of about the same length, such as the matrix of cosines, with zeros for zero rows.
        y: (n,) right side.
        round_off: Machine epsilon of the rows.

    Example:
        >>> pseudo_inverse_times(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 1.0])).round(4)
        array([0.5, 0.5])
    """
    values, vectors = _spectrum(C, round_off)
    return vectors @ ((vectors.T @ y) / values)


def symmetric_root(G: Matrix, mode: Literal["min", "median", "rmse"] = "min", round_off: float = EPSILON) -> Matrix:
    """Return B = √s V Λ^(−½) Vᵀ, with the spectrum (Λ, V) of G without its zeros.

    Bᵀ G B is s times the projection onto the range of G: the principal components of a matrix with this Gramian get the same
    length. s is the smallest of the eigenvalues, their median (the lower one of an even number), or their mean. As many eigenvalues
    count as zero as the matrix of cosines has: a short row is no reason to leave out a component.

    Args:
        G: (n, n) Gramian, symmetric and positive semi-definite. For a zero matrix the identity is returned.
        mode: Choice of s: `min`, `median` or `rmse` (the mean).
        round_off: Machine epsilon of the rows.

    Example:
        >>> symmetric_root(np.diag([4.0, 1.0])).round(4)
        array([[0.5, 0. ],
               [0. , 1. ]])
    """
    C, lengths = unit_rows(G)
    values, vectors = _spectrum(C, round_off)
    if not len(values):
        return np.eye(len(G))
    used = lengths[lengths > 0.0]
    if float(used.max()) > GRADED * float(used.min()):
        return _graded_root(values, vectors, lengths, mode)
    squares, axes = np.linalg.eigh(G)
    sizes, axes = np.sqrt(np.maximum(squares[-len(values) :], 0.0)), axes[:, -len(values) :]
    root: Matrix = (axes * (_common_size(sizes[::-1], mode) / sizes)) @ axes.T
    return root


def _graded_root(values: Vector, vectors: Matrix, lengths: Vector, mode: Literal["min", "median", "rmse"]) -> Matrix:
    """Return the root for rows of very different lengths, from the spectrum (Λ, V) of their cosines.

    With A = diag(lengths) V Λ^½ = L Σ Rᵀ, B = √s L Σ⁻¹ Lᵀ. The eigenvalues of G have errors relative to the largest one; the singular
    values of A are computed by a method that finds each of them with its own relative precision (Drmač & Veselić, SIAM J. Matrix Anal.
    Appl. 29:1322, 2008; LAPACK's dgejsv). √s diag(lengths)⁻¹ V Λ^(−½) R Lᵀ, which is returned, is B, or has the same product with Jᵀ if
    rows are dependent; it needs no precise ratios within the columns of L.
    """
    scale = float(lengths.max())
    root_values = np.sqrt(values)
    sizes, left, right, work, _, info = dgejsv((vectors * root_values) * (lengths[:, None] / scale), joba=2, jobu=0, jobv=0, jobr=0)
    if info != 0:
        raise np.linalg.LinAlgError(f"dgejsv: info = {info}")
    sizes = sizes * (work[1] / work[0])
    unscaled = (vectors / root_values) @ right @ left[:, : len(sizes)].T
    inverse = np.where(lengths > 0.0, scale / np.where(lengths > 0.0, lengths, 1.0), 0.0)
    root: Matrix = _common_size(sizes, mode) * inverse[:, None] * unscaled
    return root


def _common_size(sizes: Vector, mode: Literal["min", "median", "rmse"]) -> float:
    """Return √s, given the square roots of the eigenvalues in decreasing order."""
    if mode == "rmse":
        return float(sizes[0] * np.sqrt(np.square(sizes / sizes[0]).mean()))
    return float(sizes[-1] if mode == "min" else sizes[len(sizes) // 2])
