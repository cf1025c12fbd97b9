"""Inner products of long rows, computed in float32 where that is safe and accumulated in float64."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.building_blocks.row_combination import without_zero_rows
from polytask.devices import NO_FLOAT64

CHUNK = 1 << 14
NEARLY_DEPENDENT = 1e-2
"""Eigenvalue of the matrix of cosines below which products in float32 are too coarse: rows nearly cancel in some combination."""
# Sums of float32 squares within this range have neither lost terms to underflow nor overflowed.
SAFE = (1e-28, 1e30)


def gramian(rows: Tensor, scale: float = 1.0, known: Tensor | None = None) -> Tensor:
    """Return the Gramian G = J Jᵀ / scale² (T, T) of rows J (T, P), in float64 on the CPU.

    Products of rows in float32 or narrower types are computed in float32, chunk by chunk, and the chunks are added in float64. They are
    computed in float64 instead where that is not enough: if a combination of the unit rows nearly cancels, so that the error of about
    1e-7 would decide about directions, or if squares would leave the range of float32. A row that is shorter than the smallest normal
    number of its dtype counts as zero, since its own numbers have no precision left.

    Args:
        rows: Rows J (T, P) on any device.
        scale: Factor by which the rows are multiplied.
        known: `first_products` of these rows, if they are on the CPU already.

    Example:
        >>> gramian(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[25.,  4.],
                [ 4.,  1.]], dtype=torch.float64)
    """
    found = first_products(rows).cpu().double() if known is None else known
    if rows.dtype == torch.float64:
        return without_zero_rows(found, rows.dtype) / scale**2
    if _is_too_coarse(found):
        found = without_zero_rows(_products(rows.cpu() if rows.device.type in NO_FLOAT64 else rows, torch.float64).cpu(), rows.dtype)
    return found if scale == 1.0 else found / scale**2


def first_products(rows: Tensor) -> Tensor:
    """Return the inner products of rows (T, T) on their device, from which `gramian` starts: it computes them again if they are too coarse.

    Example:
        >>> first_products(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[25.,  4.],
                [ 4.,  1.]], dtype=torch.float64)
    """
    return _products(rows, torch.float64 if rows.dtype == torch.float64 else torch.float32)


def cross_gramian(first: Tensor, second: Tensor) -> Tensor:
    """Return the inner products J₁ J₂ᵀ (T, T) of the rows of two matrices (T, P), in float64 on their device if it has such numbers.

    Example:
        >>> cross_gramian(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 3.],
                [2., 4.]], dtype=torch.float64)
    """
    if first.device.type in NO_FLOAT64:
        first, second = first.cpu(), second.cpu()
    total = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    for one, other in zip(torch.split(first, CHUNK, dim=1), torch.split(second, CHUNK, dim=1), strict=True):
        total += one.double() @ other.double().T
    return total


def cosine_matrix(products: Tensor, where_zero: float) -> Tensor:
    """Return the cosines between rows from their inner products: exactly symmetric, 1 on the diagonal and within [-1, 1].

    Rounding cannot break the symmetry, since half of the matrix is computed and the other half is its mirror image.

    Args:
        products: Inner products (T, T).
        where_zero: Value of entries for which one of the rows is zero.

    Returns:
        Cosines (T, T) in float64.

    Example:
        >>> cosine_matrix(torch.tensor([[1.0, -0.5, 0.0], [-0.5, 4.0, 0.0], [0.0, 0.0, 0.0]]), where_zero=0.0)
        tensor([[ 1.0000, -0.2500,  0.0000],
                [-0.2500,  1.0000,  0.0000],
                [ 0.0000,  0.0000,  0.0000]], dtype=torch.float64)
    """
    lengths = products.diagonal().double().sqrt()
    upper = (products.double() / lengths[:, None] / lengths).clamp(-1.0, 1.0).triu(1)
    found = upper + upper.T + torch.diag(lengths / lengths)
    zero = lengths == 0
    return torch.where(zero[:, None] | zero, where_zero, found)


def _is_too_coarse(products: Tensor) -> bool:
    """Return whether inner products that were computed in float32 are not precise enough for the problems of balancers."""
    G = products.numpy()
    squares = G.diagonal()
    if not ((squares >= SAFE[0]) & (squares <= SAFE[1])).all():
        return True
    lengths = np.sqrt(squares)
    cosines = G / lengths[:, None] / lengths
    if len(G) < 3:
        return len(G) == 2 and abs(float(cosines[0, 1])) > 1.0 - NEARLY_DEPENDENT
    try:
        np.linalg.cholesky(cosines - NEARLY_DEPENDENT * np.eye(len(G)))
    except np.linalg.LinAlgError:
        return True
    return False


def _products(rows: Tensor, dtype: torch.dtype) -> Tensor:
    # The chunks are one batched product: for rows of millions of elements, a loop over chunks would cost more than the products.
    size = rows.shape[1]
    rest = rows[:, size - size % CHUNK :].to(dtype)
    sums = torch.float32 if rows.device.type in NO_FLOAT64 else torch.float64
    total = (rest @ rest.T).to(sums)
    if size >= CHUNK:
        chunks = rows[:, : size - size % CHUNK].to(dtype).view(len(rows), -1, CHUNK).transpose(0, 1)
        total += torch.bmm(chunks, chunks.transpose(1, 2)).sum(0, dtype=sums)
    return total
