"""Whether those who are predicted to last longer do: Harrell's C."""

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
"""Pairs that are looked at together."""


def concordant_pairs(times: Array, predictions: Array) -> tuple[Floats, Floats]:
    """Per unit (N,) the pairs that it is part of and that are predicted in their order, and those that have an order.

    Two units have an order if an event of the one is known to be before that of the other: it comes at an earlier time, or at the
    time up to which the other is known to have had none. Equal predictions count half (Harrell, Califf, Pryor, Lee & Rosati,
    JAMA 247:2543, 1982).

    Args:
        times: (N,) of events; minus the time up to which there was none.
        predictions: (N,) the higher the later.

    Example:
        >>> [pairs.tolist() for pairs in concordant_pairs(np.array([1.0, -2.0, 3.0]), np.array([1.0, 5.0, 1.0]))]
        [[1.5, 1.0, 0.5], [2.0, 1.0, 1.0]]
    """
    length, gap = np.abs(times), np.asarray(times) <= 0
    order = np.lexsort((gap, length))  # at equal times events come first
    length, event, predicted = length[order], ~gap[order], np.asarray(predictions)[order]
    earlier = np.flatnonzero(event)
    # All after the last event of the same time: what an event is known to be before is the rest of the order.
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
    """(M,) how many events there are at each one's time; times in order."""
    _, codes, counts = np.unique(times, return_inverse=True, return_counts=True)
    found: NDArray[np.int64] = counts[codes]
    return found


def concordance(outcome: Outcome) -> float:
    """Harrell's C: the share of pairs with a known order that are predicted in it, ties counted half; NaN without such a pair."""
    right, whole = concordant_pairs(outcome.targets, outcome.predictions)
    return float(right.sum() / whole.sum()) if whole.any() else float("nan")


def _concordance_influence(targets: Array, runs: Runs) -> Floats:
    """C + 2 (c − C p) / mean p, with c and p the pairs of a unit: each pair belongs to two of them, which doubles the slope."""
    right, whole = np.stack([concordant_pairs(targets, row) for row in runs.predictions], axis=1)
    if not whole.any():
        found = f"{int((targets > 0).sum())} events among {len(targets)}"
        raise DataError("no two test units have a known order of events", where="concordance", found=found)
    share = right.sum(axis=1, keepdims=True) / whole.sum(axis=1, keepdims=True)
    return np.asarray(share + 2 * (right - share * whole) / whole.mean(axis=1, keepdims=True))


CONCORDANCE = Metric("concordance", concordance, higher_is_better=True, perfect=1.0, influence=_concordance_influence)
