"""Regression metrics: absolute and squared errors in the unit of the targets, and the coefficient of determination."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.tasks.metric import Metric, Outcome, Runs

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
