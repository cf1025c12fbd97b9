"""What predictions are worth: one function per metric, looked up by name, in NumPy alone.

Tasks *name* their metrics; `METRICS` maps the names to functions. Nothing to measure gives NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.evaluation.concordance import concordant_pairs
from polytask.evaluation.entities import entity_counts, token_counts
from polytask.evaluation.label_sets import label_counts
from polytask.evaluation.quantiles import coverage_gap, pinball_losses
from polytask.evaluation.ranks import deviances, disagreement
from polytask.registry.suggestion import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Array = NDArray[Any]
Floats = NDArray[np.float64]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Outcome:
    """What was true and what was predicted, for the labelled units of one task.

    Attributes:
        targets: (N,) class codes from 0 as int64, values as float64, or a row's tags or labels as one text.
        predictions: (N,) in the same coding; quantiles as one text.
        probabilities: (N, C) float64, one column per class code (binary: C = 2), or per label; None where there are none.
    """

    targets: Array
    predictions: Array
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Metric:
    """A number that says how good an outcome is.

    Attributes:
        name: What tasks and files write.
        function: From an outcome to the number.
        higher_is_better: Whether more of it is better.
        perfect: The best value that can be reached.
    """

    name: str
    function: Callable[[Outcome], float]
    higher_is_better: bool
    perfect: float


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


def mae(outcome: Outcome) -> float:
    """Mean absolute error, in the unit of the targets; of ranks, in ranks."""
    return float(np.mean(np.abs(outcome.predictions - outcome.targets)))


def rmse(outcome: Outcome) -> float:
    """Root of the mean squared error, in the unit of the targets."""
    return float(np.sqrt(np.mean((outcome.predictions - outcome.targets) ** 2)))


def r2(outcome: Outcome) -> float:
    """1 - squared errors / squared deviations of the targets from their mean; NaN where the targets are constant."""
    targets = outcome.targets
    if targets.min() == targets.max():
        return float("nan")
    return float(1 - np.sum((outcome.predictions - targets) ** 2) / np.sum((targets - targets.mean()) ** 2))


def _ratio(numerator: Floats, denominator: Floats) -> float:
    """Of two sums; 0 where the second is."""
    whole = float(denominator.sum())
    return float(numerator.sum()) / whole if whole else 0.0


def entity_precision(outcome: Outcome) -> float:
    """The share of claimed entities that are there, from their first to their last token."""
    right, claimed, _ = entity_counts(outcome.targets, outcome.predictions)
    return _ratio(right, claimed)


def entity_recall(outcome: Outcome) -> float:
    """The share of entities that were found."""
    right, _, actual = entity_counts(outcome.targets, outcome.predictions)
    return _ratio(right, actual)


def entity_f1(outcome: Outcome) -> float:
    """2 found / (claimed + there), over the entities of all rows and names together."""
    right, claimed, actual = entity_counts(outcome.targets, outcome.predictions)
    return _ratio(2 * right, claimed + actual)


def token_accuracy(outcome: Outcome) -> float:
    """The share of labelled tokens whose tag is right."""
    return _ratio(*token_counts(outcome.targets, outcome.predictions))


def micro_precision(outcome: Outcome) -> float:
    """The share of claimed labels that apply, over all rows and labels together."""
    right, claimed, _ = label_counts(outcome.targets, outcome.predictions)
    return _ratio(right, claimed)


def micro_recall(outcome: Outcome) -> float:
    """The share of labels that were found, over all rows and labels together."""
    right, _, actual = label_counts(outcome.targets, outcome.predictions)
    return _ratio(right, actual)


def micro_f1(outcome: Outcome) -> float:
    """2 found / (claimed + there), over all rows and labels together."""
    right, claimed, actual = label_counts(outcome.targets, outcome.predictions)
    return _ratio(2 * right, claimed + actual)


def quadratic_kappa(outcome: Outcome) -> float:
    """1 − mean (t − p)² / its mean over all pairs of a target and a prediction (Cohen, Psychological Bulletin 70:213, 1968).

    NaN where all targets and predictions are one rank.
    """
    observed, expected = disagreement(outcome.targets, outcome.predictions)
    chance = float(expected.mean())
    return 1 - float(observed.mean()) / chance if chance else float("nan")


def poisson_deviance(outcome: Outcome) -> float:
    """Mean of 2 (y log(y / λ) − y + λ), with y the count and λ the predicted rate."""
    return float(np.mean(deviances(outcome.targets, outcome.predictions)))


def pinball(outcome: Outcome) -> float:
    """Mean over units and levels τ of max(τ u, (τ − 1) u), with u the target less the quantile, in the unit of the targets."""
    return float(np.mean(pinball_losses(outcome.targets, outcome.predictions)))


def _coverage_gap(outcome: Outcome) -> float:
    return coverage_gap(outcome.targets, outcome.predictions)


def concordance(outcome: Outcome) -> float:
    """Harrell's C: the share of pairs with a known order that are predicted in it, ties counted half; NaN without such a pair."""
    right, whole = concordant_pairs(outcome.targets, outcome.predictions)
    return float(right.sum() / whole.sum()) if whole.any() else float("nan")


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", accuracy, higher_is_better=True, perfect=1.0),
            Metric("precision", precision, higher_is_better=True, perfect=1.0),
            Metric("recall", recall, higher_is_better=True, perfect=1.0),
            Metric("f1", f1, higher_is_better=True, perfect=1.0),
            Metric("log-loss", log_loss, higher_is_better=False, perfect=0.0),
            Metric("auc", auc, higher_is_better=True, perfect=1.0),
            Metric("entity-f1", entity_f1, higher_is_better=True, perfect=1.0),
            Metric("entity-precision", entity_precision, higher_is_better=True, perfect=1.0),
            Metric("entity-recall", entity_recall, higher_is_better=True, perfect=1.0),
            Metric("token-accuracy", token_accuracy, higher_is_better=True, perfect=1.0),
            Metric("micro-f1", micro_f1, higher_is_better=True, perfect=1.0),
            Metric("micro-precision", micro_precision, higher_is_better=True, perfect=1.0),
            Metric("micro-recall", micro_recall, higher_is_better=True, perfect=1.0),
            Metric("rank-error", mae, higher_is_better=False, perfect=0.0),
            Metric("quadratic-kappa", quadratic_kappa, higher_is_better=True, perfect=1.0),
            Metric("poisson-deviance", poisson_deviance, higher_is_better=False, perfect=0.0),
            Metric("pinball", pinball, higher_is_better=False, perfect=0.0),
            Metric("coverage-gap", _coverage_gap, higher_is_better=False, perfect=0.0),
            Metric("concordance", concordance, higher_is_better=True, perfect=1.0),
            Metric("mae", mae, higher_is_better=False, perfect=0.0),
            Metric("rmse", rmse, higher_is_better=False, perfect=0.0),
            Metric("r2", r2, higher_is_better=True, perfect=1.0),
        )
    }
)


def find_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ConfigError: There is none; the message suggests the nearest.

    Example:
        >>> find_metric("rmse").higher_is_better
        False
    """
    if name not in METRICS:
        raise ConfigError("unknown metric", where=name, remedy=nearest(name, tuple(METRICS)))
    return METRICS[name]


def measure(outcome: Outcome, names: Iterable[str]) -> dict[str, float]:
    """The named metrics of an outcome; NaN each where the outcome is empty.

    Args:
        outcome: Targets, predictions and, for `log-loss` and `auc`, probabilities of N units.
        names: Keys of `METRICS`.

    Raises:
        ConfigError: A metric that does not exist.
        DataError: A metric needs probabilities and there are none.

    Example:
        >>> measure(Outcome(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])), ["accuracy", "recall"])
        {'accuracy': 0.75, 'recall': 0.75}
    """
    metrics = [find_metric(name) for name in names]
    return {metric.name: metric.function(outcome) if len(outcome.targets) else float("nan") for metric in metrics}


def relative(metric: Metric, value: float, trivial: float) -> float:
    """The skill (value - trivial) / (perfect - trivial): 0 for the trivial predictor, 1 for a perfect one.

    Numerator and denominator share their sign in both directions of "better", so no further correction is needed.
    Where the trivial predictor is perfect already there is no skill to show: 0.

    Example:
        >>> relative(find_metric("rmse"), value=1.0, trivial=4.0)
        0.75
    """
    if trivial == metric.perfect:
        return 0.0
    return (value - trivial) / (metric.perfect - trivial)
