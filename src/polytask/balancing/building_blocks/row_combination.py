"""Precision of rows: which rows are zero, and combinations in the precision that they need."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.devices import NO_FLOAT64

CHUNK = 1 << 16
CANCELLED = 1e-2
"""Share of Σ w_t² ‖g_t‖² that is left in ‖Σ w_t g_t‖², below which the sum is computed in float64."""
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-30, 1e30
"""Range of weights whose products with losses and gradients are computed in float32; the largest one also bounds the weights of losses."""


def without_zero_rows(products: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a Gramian in which rows shorter than the smallest normal number of their dtype are zero.

    The squares of float64 must be normal numbers themselves, so that rows of float64 are zero below 1.5e-154.

    Args:
        products: (T, T) Gramian in float64.
        dtype: Dtype of the rows.

    Example:
        >>> without_zero_rows(torch.tensor([[1.0, 0.0], [0.0, 1e-80]], dtype=torch.float64), torch.float32)
        tensor([[1., 0.],
                [0., 0.]], dtype=torch.float64)
    """
    smallest = torch.finfo(torch.float64).tiny
    short = products.diagonal() < max(torch.finfo(dtype).tiny ** 2, smallest)
    return products.masked_fill(short[:, None] | short, 0.0) if bool(short.any()) else products


def row_combination(weights: Tensor, rows: Tensor, gramian: Tensor | None = None) -> Tensor:
    """Return Σ w_t g_t (P,) in the dtype of the rows.

    Products and sums have at least the precision of float32. They are computed in float64, block by block, if the sum cancels to less
    than a tenth of its terms (‖d‖² < 0.01 Σ w_t² ‖g_t‖²), or if a weight is so large or so small that float32 could not hold it.

    Args:
        weights: (T,) weights w, in float64.
        rows: (T, P) rows g.
        gramian: (T, T) Gramian of the rows in float64, up to a factor, which shows whether the sum cancels; `None` if it is not known.

    Example:
        >>> row_combination(torch.tensor([1e60, 2.0], dtype=torch.float64), torch.tensor([[0.0, 0.0], [1.0, 2.0]]))
        tensor([2., 4.])
    """
    weights = weights.double()
    wide = torch.float64 if rows.dtype == torch.float64 or _needs_float64(weights, gramian) else torch.float32
    if wide == torch.float64 and rows.device.type in NO_FLOAT64:
        return row_combination(weights.cpu(), rows.cpu(), gramian).to(rows.device)
    weights = weights.to(rows.device, wide, non_blocking=True)
    if rows.dtype == wide:
        return weights @ rows
    combined = rows.new_empty(rows.shape[1])
    for part, block in zip(torch.split(combined, CHUNK), torch.split(rows, CHUNK, dim=1), strict=True):
        part.copy_(weights @ block.to(wide))
    return combined


def _needs_float64(weights: Tensor, gramian: Tensor | None) -> bool:
    sizes = [abs(weight) for weight in weights.tolist() if weight]
    if not sizes:
        return False
    if max(sizes) > LARGEST_WEIGHT or min(sizes) < SMALLEST_WEIGHT:
        return True
    if gramian is None or len(sizes) < 2:
        return False
    w, G = weights.cpu().numpy(), gramian.numpy()
    return float(w @ G @ w) < CANCELLED * float((w * w) @ G.diagonal())
