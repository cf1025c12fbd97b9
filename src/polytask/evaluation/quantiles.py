"""Quantiles, a row's as one text, and how far they are from what came true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def read_quantiles(texts: Array) -> tuple[Floats, Floats]:
    """Levels (Q,) and quantiles (N, Q) of texts like `0.1:12.5 0.9:31.0`.

    Raises:
        DataError: A text is written in another way, or has other levels than the first.

    Example:
        >>> [part.tolist() for part in read_quantiles(["0.1:2.0 0.9:3.5", "0.1:-1.0 0.9:4.0"])]
        [[0.1, 0.9], [[2.0, 3.5], [-1.0, 4.0]]]
    """
    rows = [[pair.partition(":")[::2] for pair in str(text).split()] for text in texts]
    try:
        table = np.array(rows, dtype=object).astype(np.float64)
        levels, values = table[0, :, 0], table[:, :, 1]
    except (ValueError, IndexError):
        remedy = "Write every row's quantiles as 0.1:12.5 0.9:31.0"
        raise DataError("these are no quantiles of the same levels", where="quantiles", found=_example(texts), remedy=remedy) from None
    if (table[:, :, 0] != levels).any() or not (levels > 0).all() or not (levels < 1).all() or not np.isfinite(values).all():
        raise DataError("all rows need finite quantiles of the same levels between 0 and 1", where="quantiles", found=_example(texts))
    return levels, values


def write_quantiles(levels: Sequence[float], values: Sequence[float]) -> str:
    """A row's quantiles as one text.

    Example:
        >>> write_quantiles([0.1, 0.9], [2.0, 3.5])
        '0.1:2.0 0.9:3.5'
    """
    return " ".join(f"{float(level)!r}:{float(value)!r}" for level, value in zip(levels, values, strict=True))


def pinball_losses(targets: Array, predictions: Array) -> Floats:
    """(N,) the mean over levels τ of max(τ u, (τ − 1) u), with u the target less the quantile, in the unit of the targets.

    Example:
        >>> pinball_losses(np.array([3.0]), ["0.5:1.0"]).tolist()
        [1.0]
    """
    levels, values = read_quantiles(predictions)
    missing = np.asarray(targets, dtype=np.float64)[:, None] - values
    found: Floats = np.maximum(levels * missing, (levels - 1) * missing).mean(axis=1)
    return found


def coverage_gap(targets: Array, predictions: Array) -> float:
    """The mean over levels τ of |the share of targets that are not above their quantile − τ|.

    Example:
        >>> coverage_gap(np.array([1.0, 3.0]), ["0.5:2.0", "0.5:2.0"])
        0.0
    """
    levels, values = read_quantiles(predictions)
    shares = (np.asarray(targets, dtype=np.float64)[:, None] <= values).mean(axis=0)
    return float(np.abs(shares - levels).mean())


def coverage_gaps(targets: Array, predictions: Array) -> Floats:
    """(N,) numbers whose mean is the coverage gap, and whose spread is its own where no share meets its level exactly.

    The mean over levels τ of |C − τ| + sign(C − τ) (1[target is not above its quantile] − C), with C the share of those that are not.

    Example:
        >>> coverage_gaps(np.array([1.0, 3.0, 4.0, 5.0]), ["0.5:2.0"] * 4).tolist()
        [-0.5, 0.5, 0.5, 0.5]
    """
    levels, values = read_quantiles(predictions)
    covered = np.asarray(targets, dtype=np.float64)[:, None] <= values
    shares = covered.mean(axis=0)
    gaps: Floats = (np.abs(shares - levels) + np.sign(shares - levels) * (covered - shares)).mean(axis=1)
    return gaps


def _example(texts: Array) -> str:
    return repr(str(texts[0])[:60]) if len(texts) else "none"
