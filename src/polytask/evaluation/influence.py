"""The influence D(s, r) of test unit r on the metric difference in seed s; its mean over r is the difference.

A metric that is a mean has its terms as influences. For the others each unit gets metric + influence function at r, whose
mean over the units is the metric exactly and whose variance is the metric's to first order (the delta method). For the
area under the curve these are the structural components of DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988). The formula of
each stands beside its metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.evaluation.metrics import find_metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polytask.tasks.metric import Metric, Runs

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def unit_values(metric: str | Metric, targets: Array, runs: Runs) -> Floats:
    """Per seed and unit a value (S, n) whose mean over the units is the metric of that seed.

    Args:
        metric: A metric, or its name.
        targets: (n,) class codes or values.
        runs: What one arm predicted.

    Raises:
        ConfigError: A metric that does not exist.
        DataError: Probabilities are missing, or the targets leave the metric undefined.

    Example:
        >>> from polytask.tasks.metric import Runs
        >>> unit_values("accuracy", np.array([0, 1]), Runs(np.array([[0, 0], [0, 1]]))).mean(axis=1).tolist()
        [0.5, 1.0]
    """
    return find_metric(metric).influence(targets, runs)


def influence(metric: str | Metric, targets: Array, arm: Runs, baseline: Runs) -> Floats:
    """D (S, n): by how much each unit speaks for the arm and against the baseline; positive is better.

    Example:
        >>> from polytask.tasks.metric import Runs
        >>> targets, arm, baseline = np.array([1.0, 2.0]), Runs(np.array([[1.0, 3.0]])), Runs(np.array([[3.0, 3.0]]))
        >>> influence("mae", targets, arm, baseline).tolist()
        [[2.0, 0.0]]
    """
    # Adding 0 turns -0 into 0, which files should not have to explain.
    return find_metric(metric).sign * (unit_values(metric, targets, arm) - unit_values(metric, targets, baseline)) + 0.0


def pool(values: Floats, codes: Array, units: int) -> Floats:
    """Values (S, n) of rows as values (S, units) of what the rows belong to, with the same mean in every seed.

    Unit g gets the mean of its seed + (units / n) * the sum over its rows of (value - that mean). Rows of one customer
    become one unit; a unit without a row has nothing to add to the mean of its seed.

    Args:
        values: (S, n).
        codes: (n,) the unit of each row, from 0 to units - 1.
        units: Their number.

    Example:
        >>> pool(np.array([[1.0, 2.0, 6.0]]), np.array([0, 0, 1]), 2).tolist()
        [[1.0, 5.0]]
    """
    mean = values.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(codes, weights=row, minlength=units) for row in values - mean])
    return np.asarray(mean + units / values.shape[1] * sums)
