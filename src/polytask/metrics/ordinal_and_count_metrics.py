"""Metrics of ordinal classes and of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError
from polytask.metrics.regression_metrics import mae, mae_influence
from polytask.tasks.metric import Metric, Outcome, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def poisson_deviances(counts: Array, rates: Array) -> Floats:
    """Compute the Poisson unit deviance 2 (y log(y / λ) − y + λ) of every count y and rate λ.

    Raises:
        DataError: A count or a rate is below 0, or a rate is 0 where the count is not.

    Example:
        >>> poisson_deviances(np.array([0.0, 2.0]), np.array([1.5, 2.0])).tolist()
        [3.0, 0.0]
    """
    wrong = (rates < 0) | ((rates == 0) & (counts > 0)) | (counts < 0)
    if wrong.any():
        rate, count = (float(np.broadcast_to(values, wrong.shape)[wrong][0]) for values in (rates, counts))
        found = f"a rate of {rate:g} and a count of {count:g}"
        raise DataError("counts must not be negative, and rates must be positive", where="poisson-deviance", found=found)
    some = counts > 0
    ratio = np.divide(counts, rates, out=np.ones(wrong.shape), where=np.broadcast_to(some, wrong.shape))
    apart = counts * np.log(ratio) - counts + rates
    return np.asarray(2 * np.maximum(apart, 0.0))  # rounding can give about −1e-16 where count and rate are equal


def kappa_terms(ranks: Array, predictions: Array) -> tuple[Floats, Floats]:
    """Compute the terms a and b (N,) per unit of the quadratically weighted kappa, κ = 1 − mean a / mean b.

    a_r = (t_r − p_r)² is the observed disagreement, and b_r = (mean_s (t_r − p_s)² + mean_s (t_s − p_r)²) / 2 the one expected by
    chance.

    Example:
        >>> [part.tolist() for part in kappa_terms(np.array([0, 2]), np.array([0, 1]))]
        [[0.0, 1.0], [1.25, 1.75]]
    """
    t, p = (np.asarray(codes, dtype=np.float64) for codes in (ranks, predictions))
    of_target = (t - p.mean()) ** 2 + p.var()
    of_prediction = (p - t.mean()) ** 2 + t.var()
    return (t - p) ** 2, (of_target + of_prediction) / 2


def quadratic_kappa(outcome: Outcome) -> float:
    """Compute the quadratically weighted kappa (Cohen, Psychological Bulletin 70:213, 1968).

    It is 1 − mean (t − p)² / the mean of (t − p)² over all pairs of a target and a prediction, and NaN if all targets and
    predictions are the same rank.
    """
    observed, expected = kappa_terms(outcome.targets, outcome.predictions)
    chance = float(expected.mean())
    return 1 - float(observed.mean()) / chance if chance else float("nan")


def poisson_deviance(outcome: Outcome) -> float:
    """Compute the mean of 2 (y log(y / λ) − y + λ), with the count y and the predicted rate λ."""
    return float(np.mean(poisson_deviances(outcome.targets, outcome.predictions)))


def _kappa_influence(targets: Array, runs: Runs) -> Floats:
    """Compute κ − (a − A) / B + 2 (A / B²) (b − B), with A and B the means of a and b.

    The factor 2 is there because a unit enters B both as a target and as a prediction.
    """
    observed, expected = np.stack([kappa_terms(targets, row) for row in runs.predictions], axis=1)
    A, B = (part.mean(axis=1, keepdims=True) for part in (observed, expected))
    if not B.all():
        raise DataError("kappa needs ranks that differ", where="quadratic-kappa", found="one rank in a seed's test units")
    return np.asarray(1 - observed / B + 2 * A / B**2 * (expected - B))


def _deviance_influence(targets: Array, runs: Runs) -> Floats:
    return poisson_deviances(targets, runs.predictions)


RANK_METRICS = (
    Metric("rank-error", mae, higher_is_better=False, perfect=0.0, influence=mae_influence),
    Metric("quadratic-kappa", quadratic_kappa, higher_is_better=True, perfect=1.0, influence=_kappa_influence, relative_change=False),
)
POISSON_DEVIANCE = Metric("poisson-deviance", poisson_deviance, higher_is_better=False, perfect=0.0, influence=_deviance_influence)
