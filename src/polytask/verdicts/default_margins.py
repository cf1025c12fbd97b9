"""Largest difference that counts as the same, where the user gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.metrics.metric_functions import find_metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.tasks.metric import Metric

SHARE = 0.01
SHARE_OF_REST = 0.1
"""Of a share such as the accuracy, the margin is at most this part of what is missing to 1."""


def default_margin(metric: Metric, value: float, targets: NDArray[Any]) -> float:
    """Return the margin of a task.

    * Shares, such as accuracy and AUC, where 1 is perfect: 1 % of the baseline's value, at most 10 % of what it lacks to 1. Otherwise an
      accuracy of 99 % could lose half of its quality without a difference.
    * Log-loss: 1 % of that of the trivial predictor, which knows the frequencies of the classes among the test units. Otherwise the
      margin would vanish with the loss.
    * Errors and all other metrics: 1 % of the baseline's value.

    Args:
        metric: Metric of the task.
        value: The baseline's metric, a mean over seeds.
        targets: True class codes or values (n,) of the test units.

    Example:
        >>> accuracy, rmse = find_metric("accuracy"), find_metric("rmse")
        >>> [round(default_margin(accuracy, value, np.zeros(2)), 5) for value in (0.5, 0.99)], default_margin(rmse, 20.0, np.zeros(2))
        ([0.005, 0.001], 0.2)
        >>> round(default_margin(find_metric("log-loss"), 0.001, np.array([0, 1])), 5)
        0.00693
    """
    if metric is find_metric("log-loss"):
        shares = np.unique(targets, return_counts=True)[1] / len(targets)
        return SHARE * float(-(shares * np.log(shares)).sum())
    if metric.higher_is_better and metric.perfect == 1.0:
        return min(SHARE * abs(value), max(SHARE_OF_REST * (1 - value), 0.0))
    return SHARE * abs(value)
