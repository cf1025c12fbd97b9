"""Multilabel metrics: micro-averaged precision, recall and F1 of sets of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.metrics.ratio_metrics import metrics_of_counts
from polytask.tasks.multilabel import labels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def label_counts(targets: Array, predictions: Array) -> tuple[Floats, Floats, Floats]:
    """Count per row (N,) the labels that are predicted correctly, predicted, and true.

    Args:
        targets: Labels (N,), one string per row.
        predictions: Predicted labels (N,), one string per row.

    Example:
        >>> [counts.tolist() for counts in label_counts(["a|b", "-"], ["b|c", "a"])]
        [[1.0, 0.0], [2.0, 1.0], [2.0, 0.0]]
    """
    pairs = [(labels_of(target), labels_of(prediction)) for target, prediction in zip(targets, predictions, strict=True)]
    counts = np.array([(len(actual & claimed), len(claimed), len(actual)) for actual, claimed in pairs], dtype=np.float64)
    right, claimed, actual = counts.reshape(-1, 3).T
    return right, claimed, actual


LABEL_SET_METRICS = metrics_of_counts("micro", label_counts, "labels")
"""Multilabel metrics, counted over all rows and labels together."""
