"""Inner products of long rows: in their own precision where that is safe, added up in float64."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 1 << 14
# float32 squares within this range neither vanish nor overflow, however many are added.
SAFE = (1e-28, 1e30)


def gramian(rows: Tensor, scale: float = 1.0) -> Tensor:
    """Return G = J Jᵀ / scale² (T, T) in float64, on the CPU, of rows (T, P).

    Products are computed in float32 where rows are float32 or narrower, chunk by chunk, and chunks are added in float64.
    Rows that are so short or so long that their squares would leave the range of float32 are converted first.

    Example:
        >>> gramian(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[25.,  4.],
                [ 4.,  1.]], dtype=torch.float64)
    """
    if rows.dtype == torch.float64:
        return _products(rows, torch.float64) / scale**2
    found = _products(rows, torch.float32)
    squares = found.diagonal()
    if bool(((squares < SAFE[0]) | (squares > SAFE[1]) | squares.isnan()).any()):
        found = _products(rows, torch.float64)
    return found if scale == 1.0 else found / scale**2


def cross_gramian(first: Tensor, second: Tensor) -> Tensor:
    """Return J₁ J₂ᵀ (T, T) in float64, on the CPU.

    Example:
        >>> cross_gramian(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 3.],
                [2., 4.]], dtype=torch.float64)
    """
    total = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    for one, other in zip(torch.split(first, CHUNK, dim=1), torch.split(second, CHUNK, dim=1), strict=True):
        total += one.double() @ other.double().T
    return total.cpu()


def cosine_matrix(products: Tensor, where_zero: float) -> Tensor:
    """Return the cosines between rows, from their inner products: symmetric, 1 on the diagonal and within [-1, 1] to the last bit.

    No sum that a processor rounds decides this: half of the matrix is computed, the other half is its mirror image.

    Args:
        products: (T, T) inner products.
        where_zero: What stands where a row is zero.

    Returns:
        (T, T) float64.

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


def _products(rows: Tensor, dtype: torch.dtype) -> Tensor:
    # The chunks are one batched product: a loop over them would cost more than the products where rows are some millions long.
    size = rows.shape[1]
    rest = rows[:, size - size % CHUNK :].to(dtype)
    total = (rest @ rest.T).double()
    if size >= CHUNK:
        chunks = rows[:, : size - size % CHUNK].to(dtype).view(len(rows), -1, CHUNK).transpose(0, 1)
        total += torch.bmm(chunks, chunks.transpose(1, 2)).sum(0, dtype=torch.float64)
    return total.cpu()
