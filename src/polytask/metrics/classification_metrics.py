"""Metrics of classes: shares, ratios per class, log loss and the area under the curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.metrics.ratio_metrics import RATIOS, ratio_influence
from polytask.tasks.metric import Metric, Outcome, Runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from polytask.metrics.ratio_metrics import Ratio

Array = NDArray[Any]
Floats = NDArray[np.float64]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def accuracy(outcome: Outcome) -> float:
    """The share of units whose class, or whole set of labels, is right."""
    return float(np.mean(outcome.targets == outcome.predictions))


def _confusion(outcome: Outcome) -> tuple[Floats, Floats, Floats]:
    """Per class that occurs in targets or predictions: how often it was right, how often predicted, how often true."""
    classes, codes = np.unique(np.concatenate([outcome.targets, outcome.predictions]), return_inverse=True)
    true, predicted = codes[: len(outcome.targets)], codes[len(outcome.targets) :]
    counts = (np.bincount(kind, minlength=len(classes)) for kind in (true[true == predicted], predicted, true))
    right, claimed, actual = (count.astype(np.float64) for count in counts)
    return right, claimed, actual


def _mean_ratio(numerator: Floats, denominator: Floats) -> float:
    """The mean over classes of a ratio that is 0 where its denominator is."""
    return float(np.mean(np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)))


def precision(outcome: Outcome) -> float:
    """The share of units called c that are c: the plain mean over the classes c that occur in targets or predictions."""
    right, claimed, _ = _confusion(outcome)
    return _mean_ratio(right, claimed)


def recall(outcome: Outcome) -> float:
    """The share of units that are c and are called so: the plain mean over the classes that occur in targets or predictions."""
    right, _, actual = _confusion(outcome)
    return _mean_ratio(right, actual)


def f1(outcome: Outcome) -> float:
    """2 right / (claimed + actual) per class: the plain mean over the classes that occur in targets or predictions."""
    right, claimed, actual = _confusion(outcome)
    return _mean_ratio(2 * right, claimed + actual)


def _probabilities(outcome: Outcome, metric: str) -> Floats:
    if outcome.probabilities is None:
        raise DataError("this metric needs a probability per class", where=metric, remedy="Give probabilities or choose another metric")
    return outcome.probabilities


def log_loss(outcome: Outcome) -> float:
    """Mean of -log p(true class), with p kept at least 2.2e-16 away from 0 and 1."""
    probabilities = _probabilities(outcome, "log-loss")
    given = probabilities[np.arange(len(outcome.targets)), outcome.targets]
    return float(np.mean(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))))


def midranks(values: Array) -> Floats:
    """Ranks from 1 along an axis of length N; equal values share the mean of their ranks.

    Example:
        >>> midranks(np.array([3.0, 1.0, 3.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = last - (counts - 1) / 2
    ranks: Floats = middle[codes]
    return ranks


def _rank_statistic(positive: Array, scores: Floats) -> float:
    """P(score of a positive > score of a negative) + P(equal) / 2, over all pairs; NaN without one of the two."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = midranks(scores)[positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def auc(outcome: Outcome) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic with ties counted half.

    Binary (two columns of probabilities): of class 1. More classes: the plain mean of one against the rest, over the
    classes that occur in the targets. NaN where the targets hold one class only.
    """
    probabilities = _probabilities(outcome, "auc")
    binary = probabilities.shape[1] == 2
    classes = [1] if binary else np.unique(outcome.targets).tolist()
    return float(np.mean([_rank_statistic(outcome.targets == code, probabilities[:, code]) for code in classes]))


def _given(runs: Runs, metric: str) -> Floats:
    if runs.probabilities is None or np.isnan(runs.probabilities).any():
        raise DataError("this metric needs the probability given to the true label", where=metric, remedy="Add a column 'probability'")
    return runs.probabilities


def _accuracy_influence(targets: Array, runs: Runs) -> Floats:
    return np.asarray(runs.predictions == targets, dtype=np.float64)


def _log_loss_influence(targets: Array, runs: Runs) -> Floats:
    return np.asarray(-np.log(np.clip(_given(runs, "log-loss"), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))


def _auc_influence(targets: Array, runs: Runs) -> Floats:
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


def _influence_of_ratio(ratio: Ratio) -> Callable[[Array, Runs], Floats]:
    """The plain mean of a ratio over the classes that occur in a seed's targets or predictions."""

    def values(targets: Array, runs: Runs) -> Floats:
        total, classes = np.zeros(runs.predictions.shape), np.zeros((len(runs.predictions), 1))
        for code in np.union1d(targets, runs.predictions):
            claimed, actual = runs.predictions == code, np.broadcast_to(targets == code, runs.predictions.shape)
            total += ratio_influence(*ratio(*(np.asarray(part, dtype=np.float64) for part in (claimed & actual, claimed, actual))))
            classes += (claimed | actual).any(axis=1, keepdims=True)
        return np.asarray(total / classes)

    return values


CLASS_METRICS = (
    Metric("accuracy", accuracy, higher_is_better=True, perfect=1.0, influence=_accuracy_influence),
    Metric("precision", precision, higher_is_better=True, perfect=1.0, influence=_influence_of_ratio(RATIOS["precision"])),
    Metric("recall", recall, higher_is_better=True, perfect=1.0, influence=_influence_of_ratio(RATIOS["recall"])),
    Metric("f1", f1, higher_is_better=True, perfect=1.0, influence=_influence_of_ratio(RATIOS["f1"])),
    Metric("log-loss", log_loss, higher_is_better=False, perfect=0.0, influence=_log_loss_influence),
    Metric("auc", auc, higher_is_better=True, perfect=1.0, influence=_auc_influence, compares_classes=True),
)
