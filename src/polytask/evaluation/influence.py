"""The influence D(s, r) of test unit r on the metric difference in seed s; its mean over r is the difference.

A metric that is a mean has its terms as influences. For the others each unit gets metric + influence function at r, whose
mean over the units is the metric exactly and whose variance is the metric's to first order (the delta method). For the
area under the curve these are the structural components of DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import ConfigError, DataError
from polytask.evaluation.concordance import concordant_pairs
from polytask.evaluation.entities import entity_counts, token_counts
from polytask.evaluation.label_sets import label_counts
from polytask.evaluation.metrics import SMALLEST_PROBABILITY, find_metric, midranks
from polytask.evaluation.quantiles import coverage_gaps, pinball_losses
from polytask.evaluation.ranks import deviances, disagreement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ratio = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]  # from right, claimed and actual to numerator and denominator


@dataclass(frozen=True)
class Runs:
    """What one arm predicted for one task: S seeds times n units.

    Attributes:
        predictions: (S, n) class codes, values, or texts.
        probabilities: (S, n) the probability given to the true label; None where there are none.
    """

    predictions: Array
    probabilities: Floats | None = None


def _given(runs: Runs, metric: str) -> Floats:
    if runs.probabilities is None or np.isnan(runs.probabilities).any():
        raise DataError("this metric needs the probability given to the true label", where=metric, remedy="Add a column 'probability'")
    return runs.probabilities


def _accuracy(targets: Array, runs: Runs) -> Floats:
    return np.asarray(runs.predictions == targets, dtype=np.float64)


def _mae(targets: Array, runs: Runs) -> Floats:
    return np.asarray(np.abs(runs.predictions - targets), dtype=np.float64)


def _log_loss(targets: Array, runs: Runs) -> Floats:
    return np.asarray(-np.log(np.clip(_given(runs, "log-loss"), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))


def _rmse(targets: Array, runs: Runs) -> Floats:
    """Rmse + (e^2 - mse) / (2 rmse)."""
    squares = (runs.predictions - targets) ** 2
    mean = squares.mean(axis=1, keepdims=True)
    root = np.sqrt(mean)
    # A seed without any error has no slope either: every unit then says 0.
    return np.asarray(root + np.divide(squares - mean, 2 * root, out=np.zeros_like(squares), where=root > 0))


def _r2(targets: Array, runs: Runs) -> Floats:
    """R2 - (e^2 - mse) / v + (mse / v^2) ((y - mean y)^2 - v), with v the variance of the targets."""
    deviations = (targets - targets.mean()) ** 2
    variance = deviations.mean()
    if targets.min() == targets.max():
        raise DataError("R2 needs targets that differ", where="r2", found=f"only {targets[0]}", remedy="Choose rmse or mae")
    squares = (runs.predictions - targets) ** 2
    share = squares.mean(axis=1, keepdims=True) / variance
    return np.asarray(1 - share - (squares / variance - share) + share * (deviations / variance - 1))


def _auc(targets: Array, runs: Runs) -> Floats:
    """AUC + (n / positives)(V10 - AUC) for a positive, AUC + (n / negatives)(V01 - AUC) for a negative."""
    positive = targets == 1
    if targets.max() > 1:
        raise ConfigError("a verdict on the area under the curve needs two classes", where="auc", remedy="Choose accuracy or log-loss")
    if positive.all() or not positive.any():
        raise DataError("the area under the curve needs test units of both classes", where="auc", found="one class")
    given = _given(runs, "auc")
    # Positives go through 1 - (1 - p) too, so that a score shared by both classes stays a tie to the last bit.
    return np.stack([_delong(positive, 1 - scores) for scores in np.where(positive, 1 - given, given)])


def _delong(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """One seed's components, weighted so that their mean over all units is the area."""
    ranks, positives = midranks(scores), int(positive.sum())
    negatives = len(positive) - positives
    components = np.empty(len(positive))
    components[positive] = (ranks[positive] - midranks(scores[positive])) / negatives
    components[~positive] = 1 - (ranks[~positive] - midranks(scores[~positive])) / positives
    area = components[positive].mean()
    weight = len(positive) / np.where(positive, positives, negatives)
    return np.asarray(area + weight * (components - area))


def _share(numerator: Floats, denominator: Floats) -> Floats:
    """Q + (a - Q b) / mean b, with Q the ratio of the sums of a and b (S, n); 0 for seeds where that of b is 0."""
    whole = denominator.mean(axis=1, keepdims=True)
    ratio = np.divide(numerator.mean(axis=1, keepdims=True), whole, out=np.zeros_like(whole), where=whole > 0)
    slope = np.divide(numerator - ratio * denominator, whole, out=np.zeros(numerator.shape), where=whole > 0)
    return np.asarray(ratio + slope)


def _token_accuracy(targets: Array, runs: Runs) -> Floats:
    right, labelled = np.stack([token_counts(targets, row) for row in runs.predictions], axis=1)
    _refuse_nothing(labelled, "tokens")
    return _share(right, labelled)


def _refuse_nothing(counts: Floats, what: str) -> None:
    if not counts.any(axis=1).all():
        raise DataError("there is nothing to count", where=what, found="none there and none claimed in a seed's test units")


def _of_counts(counts: Callable[[Array, Array], tuple[Floats, Floats, Floats]], what: str, ratio: Ratio) -> Callable[[Array, Runs], Floats]:
    """A ratio of what was found, claimed and there, over all rows together."""

    def values(targets: Array, runs: Runs) -> Floats:
        right, claimed, actual = np.stack([counts(targets, row) for row in runs.predictions], axis=1)
        _refuse_nothing(claimed + actual, what)
        return _share(*ratio(right, claimed, actual))

    return values


def _of_classes(ratio: Ratio) -> Callable[[Array, Runs], Floats]:
    """The plain mean of a ratio over the classes that occur in a seed's targets or predictions."""

    def values(targets: Array, runs: Runs) -> Floats:
        total, classes = np.zeros(runs.predictions.shape), np.zeros((len(runs.predictions), 1))
        for code in np.union1d(targets, runs.predictions):
            claimed, actual = runs.predictions == code, np.broadcast_to(targets == code, runs.predictions.shape)
            total += _share(*ratio(*(np.asarray(part, dtype=np.float64) for part in (claimed & actual, claimed, actual))))
            classes += (claimed | actual).any(axis=1, keepdims=True)
        return np.asarray(total / classes)

    return values


def _coverage_gap(targets: Array, runs: Runs) -> Floats:
    return np.stack([coverage_gaps(targets, row) for row in runs.predictions])


def _quadratic_kappa(targets: Array, runs: Runs) -> Floats:
    """κ − (a − A) / B + 2 (A / B²) (b − B), with A and B the means of a and b: b of a unit counts it as target and as prediction."""
    observed, expected = np.stack([disagreement(targets, row) for row in runs.predictions], axis=1)
    A, B = (part.mean(axis=1, keepdims=True) for part in (observed, expected))
    if not B.all():
        raise DataError("kappa needs ranks that differ", where="quadratic-kappa", found="one rank in a seed's test units")
    return np.asarray(1 - observed / B + 2 * A / B**2 * (expected - B))


def _poisson_deviance(targets: Array, runs: Runs) -> Floats:
    return deviances(targets, runs.predictions)


def _pinball(targets: Array, runs: Runs) -> Floats:
    return np.stack([pinball_losses(targets, row) for row in runs.predictions])


def _concordance(targets: Array, runs: Runs) -> Floats:
    """C + 2 (c − C p) / mean p, with c and p the pairs of a unit: each pair belongs to two of them, which doubles the slope."""
    right, whole = np.stack([concordant_pairs(targets, row) for row in runs.predictions], axis=1)
    if not whole.any():
        found = f"{int((targets > 0).sum())} events among {len(targets)}"
        raise DataError("no two test units have a known order of events", where="concordance", found=found)
    share = right.sum(axis=1, keepdims=True) / whole.sum(axis=1, keepdims=True)
    return np.asarray(share + 2 * (right - share * whole) / whole.mean(axis=1, keepdims=True))


RATIOS: Mapping[str, Ratio] = MappingProxyType(
    {
        "precision": lambda right, claimed, _: (right, claimed),
        "recall": lambda right, _, actual: (right, actual),
        "f1": lambda right, claimed, actual: (2 * right, claimed + actual),
    }
)
INFLUENCES: Mapping[str, Callable[[Array, Runs], Floats]] = MappingProxyType(
    {
        "accuracy": _accuracy,
        **{name: _of_classes(ratio) for name, ratio in RATIOS.items()},
        "log-loss": _log_loss,
        "auc": _auc,
        **{f"entity-{name}": _of_counts(entity_counts, "entities", ratio) for name, ratio in RATIOS.items()},
        "token-accuracy": _token_accuracy,
        **{f"micro-{name}": _of_counts(label_counts, "labels", ratio) for name, ratio in RATIOS.items()},
        "rank-error": _mae,
        "quadratic-kappa": _quadratic_kappa,
        "poisson-deviance": _poisson_deviance,
        "pinball": _pinball,
        "coverage-gap": _coverage_gap,
        "concordance": _concordance,
        "mae": _mae,
        "rmse": _rmse,
        "r2": _r2,
    }
)


def unit_values(metric: str, targets: Array, runs: Runs) -> Floats:
    """Per seed and unit a value (S, n) whose mean over the units is the metric of that seed.

    Args:
        metric: A key of `INFLUENCES`.
        targets: (n,) class codes or values.
        runs: What one arm predicted.

    Raises:
        ConfigError: A metric that does not exist.
        DataError: Probabilities are missing, or the targets leave the metric undefined.

    Example:
        >>> unit_values("accuracy", np.array([0, 1]), Runs(np.array([[0, 0], [0, 1]]))).mean(axis=1).tolist()
        [0.5, 1.0]
    """
    return INFLUENCES[find_metric(metric).name](targets, runs)


def influence(metric: str, targets: Array, arm: Runs, baseline: Runs) -> Floats:
    """D (S, n): by how much each unit speaks for the arm and against the baseline; positive is better.

    Example:
        >>> targets, arm, baseline = np.array([1.0, 2.0]), Runs(np.array([[1.0, 3.0]])), Runs(np.array([[3.0, 3.0]]))
        >>> influence("mae", targets, arm, baseline).tolist()
        [[2.0, 0.0]]
    """
    sign = 1.0 if find_metric(metric).higher_is_better else -1.0
    # Adding 0 turns -0 into 0, which files should not have to explain.
    return sign * (unit_values(metric, targets, arm) - unit_values(metric, targets, baseline)) + 0.0


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
