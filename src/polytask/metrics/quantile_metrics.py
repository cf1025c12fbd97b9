"""Metrics of quantiles: pinball loss and coverage gap. Quantiles of a row are one string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.tasks.metric import Metric, Outcome, Runs
from polytask.tasks.quantile import read_quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def pinball_losses(targets: Array, predictions: Array) -> Floats:
    """Compute per unit (N,) the mean over levels τ of max(τ u, (τ − 1) u), with u = target − quantile, in the unit of the targets.

    Example:
        >>> pinball_losses(np.array([3.0]), ["0.5:1.0"]).tolist()
        [1.0]
    """
    levels, values = read_quantiles(predictions)
    missing = np.asarray(targets, dtype=np.float64)[:, None] - values
    found: Floats = np.maximum(levels * missing, (levels - 1) * missing).mean(axis=1)
    return found


def coverage_gap(targets: Array, predictions: Array) -> float:
    """Compute the mean over levels τ of |C − τ|, with C the share of targets that are not above their quantile.

    Example:
        >>> coverage_gap(np.array([1.0, 3.0]), ["0.5:2.0", "0.5:2.0"])
        0.0
    """
    levels, values = read_quantiles(predictions)
    shares = (np.asarray(targets, dtype=np.float64)[:, None] <= values).mean(axis=0)
    return float(np.abs(shares - levels).mean())


def coverage_gap_contributions(targets: Array, predictions: Array) -> Floats:
    """Compute the contributions (N,) of units to the coverage gap, which is their mean.

    A contribution is the mean over levels τ of |C − τ| + sign(C − τ) (1[target is not above its quantile] − C), with C the share of
    targets that are not above their quantile. Their spread is that of the gap if no share is equal to its level.

    Example:
        >>> coverage_gap_contributions(np.array([1.0, 3.0, 4.0, 5.0]), ["0.5:2.0"] * 4).tolist()
        [-0.5, 0.5, 0.5, 0.5]
    """
    levels, values = read_quantiles(predictions)
    covered = np.asarray(targets, dtype=np.float64)[:, None] <= values
    shares = covered.mean(axis=0)
    gaps: Floats = (np.abs(shares - levels) + np.sign(shares - levels) * (covered - shares)).mean(axis=1)
    return gaps


def pinball(outcome: Outcome) -> float:
    """Compute the mean over units and levels τ of max(τ u, (τ − 1) u), with u = target − quantile, in the unit of the targets."""
    return float(np.mean(pinball_losses(outcome.targets, outcome.predictions)))


def _pinball_influence(targets: Array, runs: Runs) -> Floats:
    return np.stack([pinball_losses(targets, row) for row in runs.predictions])


def _coverage_gap(outcome: Outcome) -> float:
    return coverage_gap(outcome.targets, outcome.predictions)


def _coverage_influence(targets: Array, runs: Runs) -> Floats:
    return np.stack([coverage_gap_contributions(targets, row) for row in runs.predictions])


QUANTILE_METRICS = (
    Metric("pinball", pinball, higher_is_better=False, perfect=0.0, influence=_pinball_influence),
    Metric("coverage-gap", _coverage_gap, higher_is_better=False, perfect=0.0, influence=_coverage_influence),
)
