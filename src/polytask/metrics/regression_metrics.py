"""Regression metrics of numbers and, averaged over the components, of vectors: absolute and squared errors, and R²."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.tasks.metric import Metric, Outcome, Runs
from polytask.tasks.number_rows import read_rows

Array = NDArray[Any]
Floats = NDArray[np.float64]


def mae(outcome: Outcome) -> float:
    """Compute the mean absolute error, in the unit of the targets; for ordinal classes, in ranks."""
    return float(np.mean(np.abs(outcome.predictions - outcome.targets)))


def rmse(outcome: Outcome) -> float:
    """Compute the root of the mean squared error, in the unit of the targets."""
    return float(np.sqrt(np.mean((outcome.predictions - outcome.targets) ** 2)))


def r2(outcome: Outcome) -> float:
    """Compute R² = 1 − squared errors / squared deviations of the targets from their mean; NaN if the targets are constant."""
    targets = outcome.targets
    if targets.min() == targets.max():
        return float("nan")
    return float(1 - np.sum((outcome.predictions - targets) ** 2) / np.sum((targets - targets.mean()) ** 2))


def mae_influence(targets: Array, runs: Runs) -> Floats:
    """Return the absolute errors."""
    return np.asarray(np.abs(runs.predictions - targets), dtype=np.float64)


def _rmse_influence(targets: Array, runs: Runs) -> Floats:
    """Compute rmse + (e² − mse) / (2 rmse)."""
    squares = (runs.predictions - targets) ** 2
    mean = squares.mean(axis=1, keepdims=True)
    root = np.sqrt(mean)
    # The slope is undefined for a seed without any error; all its values are 0.
    return np.asarray(root + np.divide(squares - mean, 2 * root, out=np.zeros_like(squares), where=root > 0))


def _r2_influence(targets: Array, runs: Runs) -> Floats:
    """Compute R² − (e² − mse) / v + (mse / v²) ((y − mean y)² − v), with v the variance of the targets."""
    deviations = (targets - targets.mean()) ** 2
    variance = deviations.mean()
    if targets.min() == targets.max():
        raise DataError("R² needs targets that differ", where="r2", found=f"only {targets[0]}", remedy="Choose rmse or mae")
    squares = (runs.predictions - targets) ** 2
    share = squares.mean(axis=1, keepdims=True) / variance
    return np.asarray(1 - share - (squares / variance - share) + share * (deviations / variance - 1))


NUMBER_METRICS = (
    Metric("mae", mae, higher_is_better=False, perfect=0.0, influence=mae_influence),
    Metric("rmse", rmse, higher_is_better=False, perfect=0.0, influence=_rmse_influence),
    Metric("r2", r2, higher_is_better=True, perfect=1.0, influence=_r2_influence, relative_change=False),
)


def mean_over_components(metric: Metric) -> Metric:
    """Return the metric of vectors that is the mean over components j of a metric M of numbers, 1/k Σ_j M(targets_j, predictions_j).

    Every component counts alike, as with `multioutput="uniform_average"` in scikit-learn, and is computed from the rows in which it has a
    target (NaN means none); components without any are left out. The influence of a unit is the mean of its influences on the components'
    metrics: for component j, which n_j of n units have, M_j + (n / n_j) (v_j − M_j) with its value v_j, and M_j if it has no target.

    Args:
        metric: Metric of numbers, with a formula for the influence of a unit.

    Example:
        >>> from polytask.metrics import find_metric
        >>> outcome = Outcome(np.array(["1.0 10.0", "2.0 nan"], dtype=object), np.array(["1.0 14.0", "4.0 0.0"], dtype=object))
        >>> mean_over_components(find_metric("mae")).function(outcome)
        2.5
    """

    def value(outcome: Outcome) -> float:
        targets, predictions = read_rows(np.asarray(outcome.targets)), read_rows(np.asarray(outcome.predictions))
        parts = [(own[there], guesses[there]) for own, guesses, there in zip(targets.T, predictions.T, _known(targets), strict=True)]
        return float(np.mean([metric.function(Outcome(*part)) for part in parts if len(part[0])]))

    def influence(targets: Array, runs: Runs) -> Floats:
        truths = read_rows(np.asarray(targets))
        guesses = np.stack([read_rows(np.asarray(row)) for row in runs.predictions])
        found = [
            _of_all_units(metric.influence(truths[there, place], Runs(guesses[:, there, place])), there)
            for place, there in enumerate(_known(truths))
            if metric.influence is not None and there.any()
        ]
        return np.asarray(np.mean(found, axis=0))

    return replace(metric, name=f"mean-{metric.name}", function=value, influence=influence)


def _known(targets: Floats) -> NDArray[np.bool_]:
    """Return masks (k, n) of the units with a target of each component."""
    return np.asarray(~np.isnan(targets.T))


def _of_all_units(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """Return values (S, n) of all units from those (S, m) of the units that count, with the same mean and influences."""
    if there.all():
        return values
    mean = values.mean(axis=1, keepdims=True)
    found = np.repeat(mean, len(there), axis=1)
    found[:, there] = mean + len(there) / values.shape[1] * (values - mean)
    return found


VECTOR_METRICS = tuple(mean_over_components(metric) for metric in NUMBER_METRICS)
"""`mean-mae`, `mean-rmse` and `mean-r2`."""
