"""Harrell's concordance index for survival times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError
from polytask.tasks.metric import Metric, Outcome, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

PAIRS_PER_BLOCK = 1 << 23
"""Maximum number of pairs that are compared at once, which bounds the memory."""


def concordant_pairs(times: Array, predictions: Array) -> tuple[Floats, Floats]:
    """Count per unit (N,) the concordant and the comparable pairs that it is part of.

    Two units are comparable if the event of one is known to be before that of the other: it happens at an earlier time, or at the
    censoring time of the other. A comparable pair is concordant if it is predicted in this order; equal predictions count half
    (Harrell, Califf, Pryor, Lee & Rosati, JAMA 247:2543, 1982).

    Args:
        times: Times of events, or minus censoring times (N,).
        predictions: Predicted times or scores (N,); higher means later.

    Returns:
        Numbers of concordant and of comparable pairs per unit.

    Example:
        >>> [pairs.tolist() for pairs in concordant_pairs(np.array([1.0, -2.0, 3.0]), np.array([1.0, 5.0, 1.0]))]
        [[1.5, 1.0, 0.5], [2.0, 1.0, 1.0]]
    """
    length, gap = np.abs(times), np.asarray(times) <= 0
    order = np.lexsort((gap, length))  # at equal times events come first
    length, event, predicted = length[order], ~gap[order], np.asarray(predictions)[order]
    earlier = np.flatnonzero(event)
    # An event is known to be before everything that is sorted after the last event of the same time.
    after = np.searchsorted(length, length[earlier], side="left") + _events_at(length[earlier])
    right, whole = np.zeros(len(times)), np.zeros(len(times))
    width = max(1, PAIRS_PER_BLOCK // max(1, len(times)))
    for start in range(0, len(earlier), width):
        rows, begins = earlier[start : start + width], after[start : start + width]
        first = int(begins[0])
        later = np.arange(first, len(times)) >= begins[:, None]
        ranks, own = predicted[first:], predicted[rows][:, None]
        above, level = later & (ranks > own), later & (ranks == own)
        for total, masks in ((right, ((above, 1.0), (level, 0.5))), (whole, ((later, 1.0),))):
            for mask, worth in masks:
                total[rows] += worth * np.count_nonzero(mask, axis=1)
                total[first:] += worth * np.count_nonzero(mask, axis=0)
    back = np.argsort(order)
    return right[back], whole[back]


def _events_at(times: Floats) -> NDArray[np.int64]:
    """Return the number of events at the time of each event (M,), for sorted times."""
    _, codes, counts = np.unique(times, return_inverse=True, return_counts=True)
    found: NDArray[np.int64] = counts[codes]
    return found


def concordance(outcome: Outcome) -> float:
    """Compute Harrell's C: the share of comparable pairs that are concordant, ties counted half; NaN without comparable pairs."""
    right, whole = concordant_pairs(outcome.targets, outcome.predictions)
    return float(right.sum() / whole.sum()) if whole.any() else float("nan")


def _concordance_influence(targets: Array, runs: Runs) -> Floats:
    """Compute C + 2 (c − C p) / mean p, with c concordant and p comparable pairs of a unit.

    Each pair belongs to two units, which doubles the slope.
    """
    right, whole = np.stack([concordant_pairs(targets, row) for row in runs.predictions], axis=1)
    if not whole.any():
        found = f"{int((targets > 0).sum())} events among {len(targets)}"
        raise DataError("at least two test units must have a known order of events", where="concordance", found=found)
    share = right.sum(axis=1, keepdims=True) / whole.sum(axis=1, keepdims=True)
    return np.asarray(share + 2 * (right - share * whole) / whole.mean(axis=1, keepdims=True))


CONCORDANCE = Metric("concordance", concordance, higher_is_better=True, perfect=1.0, influence=_concordance_influence)
