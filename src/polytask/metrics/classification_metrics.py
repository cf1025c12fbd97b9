"""Classification metrics: accuracy, precision, recall, F1, log loss and the area under the ROC curve."""

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
    """Compute the share of units whose class, or whole set of labels, is predicted correctly."""
    return float(np.mean(outcome.targets == outcome.predictions))


def _confusion(outcome: Outcome) -> tuple[Floats, Floats, Floats]:
    """Count correct predictions, predictions and targets of every class that occurs in targets or predictions."""
    classes, codes = np.unique(np.concatenate([outcome.targets, outcome.predictions]), return_inverse=True)
    true, predicted = codes[: len(outcome.targets)], codes[len(outcome.targets) :]
    counts = (np.bincount(kind, minlength=len(classes)) for kind in (true[true == predicted], predicted, true))
    right, claimed, actual = (count.astype(np.float64) for count in counts)
    return right, claimed, actual


def _mean_ratio(numerator: Floats, denominator: Floats) -> float:
    """Return the mean over classes of a ratio, which is 0 where its denominator is 0."""
    return float(np.mean(np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)))


def precision(outcome: Outcome) -> float:
    """Compute the macro precision: the share of units predicted as c that are c.

    It is the unweighted mean over the classes c that occur in targets or predictions.
    """
    right, claimed, _ = _confusion(outcome)
    return _mean_ratio(right, claimed)


def recall(outcome: Outcome) -> float:
    """Compute the macro recall: the share of units of class c that are predicted as c.

    It is the unweighted mean over the classes c that occur in targets or predictions.
    """
    right, _, actual = _confusion(outcome)
    return _mean_ratio(right, actual)


def f1(outcome: Outcome) -> float:
    """Compute the macro F1 score: 2 correct / (predicted + actual) per class.

    It is the unweighted mean over the classes that occur in targets or predictions.
    """
    right, claimed, actual = _confusion(outcome)
    return _mean_ratio(2 * right, claimed + actual)


def _probabilities(outcome: Outcome, metric: str) -> Floats:
    if outcome.probabilities is None:
        raise DataError("this metric needs a probability per class", where=metric, remedy="Give probabilities or choose another metric")
    return outcome.probabilities


def log_loss(outcome: Outcome) -> float:
    """Compute the mean of −log p(true class), with p kept at least 2.2e-16 away from 0 and 1."""
    probabilities = _probabilities(outcome, "log-loss")
    given = probabilities[np.arange(len(outcome.targets)), outcome.targets]
    return float(np.mean(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))))


def midranks(values: Array) -> Floats:
    """Return the ranks (N,) of values, starting at 1; equal values share the mean of their ranks.

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
    """Compute P(score of a positive > score of a negative) + P(equal) / 2 over all pairs; NaN if there are no pairs."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = midranks(scores)[positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def auc(outcome: Outcome) -> float:
    """Compute the area under the ROC curve, as the Mann-Whitney statistic with ties counted half.

    With two columns of probabilities it is the area of class 1. With more classes it is the unweighted mean of one against the
    rest, over the classes that occur in the targets. It is NaN if all targets are of one class.
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
    """Compute AUC + (n / positives) (V10 − AUC) for a positive and AUC + (n / negatives) (V01 − AUC) for a negative unit."""
    positive = targets == 1
    if targets.max() > 1:
        raise ConfigError("a verdict on the area under the curve needs two classes", where="auc", remedy="Choose accuracy or log-loss")
    if positive.all() or not positive.any():
        raise DataError("the area under the curve needs test units of both classes", where="auc", found="one class")
    given = _given(runs, "auc")
    # Scores of positives are computed as 1 - (1 - p) too, so that equal scores of both classes stay exact ties.
    return np.stack([_delong(positive, 1 - scores) for scores in np.where(positive, 1 - given, given)])


def _delong(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Return the structural components of one seed, weighted so that their mean over all units is the area."""
    ranks, positives = midranks(scores), int(positive.sum())
    negatives = len(positive) - positives
    components = np.empty(len(positive))
    components[positive] = (ranks[positive] - midranks(scores[positive])) / negatives
    components[~positive] = 1 - (ranks[~positive] - midranks(scores[~positive])) / positives
    area = components[positive].mean()
    weight = len(positive) / np.where(positive, positives, negatives)
    return np.asarray(area + weight * (components - area))


def _influence_of_ratio(ratio: Ratio) -> Callable[[Array, Runs], Floats]:
    """Return the influence function of a ratio averaged over the classes that occur in a seed's targets or predictions."""

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
