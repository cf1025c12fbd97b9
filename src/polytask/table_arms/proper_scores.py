"""Proper scores of raw outputs: log-loss of classes, Poisson deviance of rates, squared error of other numbers."""

from __future__ import annotations

import numpy as np

from polytask.table_arms.table_model_base import Floats, is_poisson
from polytask.tasks.tabular_learning import TabularLearning

LEAST_PROBABILITY = 1e-5
"""Smallest probability and rate that a score counts: a single certain error does not outweigh all other rows."""


def row_losses(learning: TabularLearning, targets: Floats, raw: Floats) -> Floats:
    """Return the loss (n,) of each row: −log p of its class, half the unit deviance y log(y / λ) − y + λ, or (y − ŷ)².

    Args:
        learning: How the task is learned.
        targets: (n,) class codes or numbers.
        raw: (n, C) probabilities or (n,) numbers.

    Example:
        >>> from polytask.tasks import Regression
        >>> row_losses(Regression(name="a").tabular_learning(), np.array([1.0, 2.0]), np.array([1.0, 4.0])).tolist()
        [0.0, 4.0]
    """
    if learning.classes:
        chance = raw[np.arange(len(targets)), targets.astype(np.int64)]
        return np.asarray(-np.log(np.clip(chance, LEAST_PROBABILITY, 1.0)))
    if is_poisson(learning):
        rate = np.maximum(raw, LEAST_PROBABILITY)
        return np.asarray(np.where(targets > 0, targets * np.log(np.maximum(targets, 1.0) / rate), 0.0) - targets + rate)
    return np.asarray((targets - raw) ** 2)


def trivial_outputs(learning: TabularLearning, targets: Floats, weights: Floats, count: int) -> Floats:
    """Return the raw outputs (count, …) of a model that ignores the inputs: shares of classes, one added to each count, or the mean."""
    if learning.classes:
        shares = np.bincount(targets.astype(np.int64), weights, minlength=learning.classes) + 1.0
        return np.tile(shares / shares.sum(), (count, 1))
    return np.full(count, float(np.average(targets, weights=weights)))


def mean_loss(learning: TabularLearning, targets: Floats, raw: Floats, weights: Floats) -> float:
    """Return the weighted mean loss of rows."""
    return float(np.average(row_losses(learning, targets, raw), weights=weights))
