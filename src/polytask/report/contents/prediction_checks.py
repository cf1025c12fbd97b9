"""Calibration of probabilities and residuals of numbers, from the stored predictions of test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 10
LEAST_UNITS = 50
"""Fewest predictions of an arm, over all seeds, that are divided into bins."""


@dataclass(frozen=True)
class Reliability:
    """Predicted probability and observed frequency of one class of a task of two classes, in bins of equal counts, over all seeds.

    Attributes:
        task: Name of the task.
        arm: Name of the arm.
        label: The class, which is the last of both in order.
        predicted: (B,) mean predicted probability per bin, rising.
        observed: (B,) share of the units of each bin that have the class.
        calibration_error: Expected calibration error Σ_b n_b / n |observed_b − predicted_b|.
        units: Number of predictions.
    """

    task: str
    arm: str
    label: str
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    calibration_error: float
    units: int


@dataclass(frozen=True)
class ResidualBin:
    """Residuals target − prediction of the units whose predictions are alike.

    Attributes:
        predicted: Mean prediction.
        median: Median of the residuals.
        low: Their 10 % quantile.
        high: Their 90 % quantile.
    """

    predicted: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class ResidualProfile:
    """Residuals of a task of numbers by predicted value, in bins of equal counts, over all seeds.

    Attributes:
        task: Name of the task.
        arm: Name of the arm.
        bins: The bins, by rising prediction.
        bias: Mean of all residuals.
        spread: Standard deviation of all residuals.
    """

    task: str
    arm: str
    bins: tuple[ResidualBin, ...]
    bias: float
    spread: float


def reliabilities(predictions: pd.DataFrame, tasks: Sequence[str]) -> tuple[Reliability, ...]:
    """Return the reliability of every arm on every task of two classes whose probabilities are stored.

    The file stores the probability of the true class. With two classes, that of the other one is its complement; with more, the
    probability of a class that is not the true one is unknown, so that such tasks are left out.

    Args:
        predictions: Table with the columns arm, task, split, target, prediction and probability; only rows of the split "test" are used.
        tasks: Names of the classification tasks.
    """
    found: list[Reliability] = []
    for task, rows in _tested(predictions, tasks):
        labels = sorted({*rows["target"].map(str), *rows["prediction"].map(str)})
        if len(labels) == 2:
            for arm, own in rows.groupby("arm", sort=False):
                given = own["probability"].to_numpy(dtype=np.float64)
                if len(own) >= LEAST_UNITS and np.isfinite(given).all():
                    true = (own["target"].map(str) == labels[1]).to_numpy()
                    found.append(_reliability(task, str(arm), labels[1], np.where(true, given, 1 - given), true))
    return tuple(found)


def _reliability(task: str, arm: str, label: str, probability: NDArray[np.float64], true: NDArray[np.bool_]) -> Reliability:
    parts = _equal_parts(probability)
    predicted = [float(probability[part].mean()) for part in parts]
    observed = [float(true[part].mean()) for part in parts]
    gaps = zip(parts, predicted, observed, strict=True)
    error = sum(len(part) * abs(high - low) for part, low, high in gaps) / len(probability)
    return Reliability(task, arm, label, tuple(predicted), tuple(observed), error, len(probability))


def residual_profiles(predictions: pd.DataFrame, tasks: Sequence[str]) -> tuple[ResidualProfile, ...]:
    """Return the residuals of every arm on every task whose targets and predictions are single numbers.

    Args:
        predictions: Table with the columns arm, task, split, target, prediction and probability; only rows of the split "test" are used.
        tasks: Names of the tasks of numbers.
    """
    found: list[ResidualProfile] = []
    for task, rows in _tested(predictions, tasks):
        for arm, own in rows.groupby("arm", sort=False):
            target, guess = (pd.to_numeric(own[name], errors="coerce").to_numpy(dtype=np.float64) for name in ("target", "prediction"))
            if len(own) >= LEAST_UNITS and np.isfinite(target).all() and np.isfinite(guess).all():
                residual = target - guess
                bins = tuple(_residual_bin(guess[part], residual[part]) for part in _equal_parts(guess))
                found.append(ResidualProfile(task, str(arm), bins, float(residual.mean()), float(residual.std())))
    return tuple(found)


def _residual_bin(guess: NDArray[np.float64], residual: NDArray[np.float64]) -> ResidualBin:
    low, median, high = np.quantile(residual, [0.1, 0.5, 0.9]).tolist()
    return ResidualBin(float(guess.mean()), median, low, high)


def _tested(predictions: pd.DataFrame, tasks: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    tested = predictions[predictions["split"] == "test"]
    for task in tasks:
        yield task, tested[tested["task"] == task]


def _equal_parts(values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the places of the values of each bin: bins of equal counts by rising value; ties are in the order of the file."""
    return [part for part in np.array_split(np.argsort(values, kind="stable"), BINS) if len(part)]
