"""Ratios of two sums over units, such as precision and recall, and the influence of every unit on them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError
from polytask.tasks.metric import Metric, Outcome, Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    # From targets and predictions to the numbers of correct, predicted and true items per unit.
    Counts = Callable[[Array, Array], tuple[Floats, Floats, Floats]]
    # From the numbers of correct, predicted and true items to a numerator and a denominator.
    Ratio = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]

RATIOS: Mapping[str, Ratio] = MappingProxyType(
    {
        "f1": lambda right, claimed, actual: (2 * right, claimed + actual),
        "precision": lambda right, claimed, _: (right, claimed),
        "recall": lambda right, _, actual: (right, actual),
    }
)


def ratio_of_sums(numerator: Floats, denominator: Floats) -> float:
    """Return the ratio of two sums, or 0 if the second sum is 0.

    Example:
        >>> ratio_of_sums(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
        0.5
    """
    whole = float(denominator.sum())
    return float(numerator.sum()) / whole if whole else 0.0


def ratio_influence(numerator: Floats, denominator: Floats) -> Floats:
    """Compute Q + (a − Q b) / mean b, with Q the ratio of the sums of a and b (S, n); 0 for seeds where the sum of b is 0.

    Args:
        numerator: Values a (S, n).
        denominator: Values b (S, n).

    Example:
        >>> ratio_influence(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).tolist()
        [[1.0, 0.0]]
    """
    whole = denominator.mean(axis=1, keepdims=True)
    ratio = np.divide(numerator.mean(axis=1, keepdims=True), whole, out=np.zeros_like(whole), where=whole > 0)
    slope = np.divide(numerator - ratio * denominator, whole, out=np.zeros(numerator.shape), where=whole > 0)
    return np.asarray(ratio + slope)


def refuse_nothing(counts: Floats, what: str) -> None:
    """Raise an error if a seed has nothing to count.

    Args:
        counts: Counts (S, n) per seed and unit.
        what: Name of the counted items, for the error message.

    Raises:
        DataError: All counts of a seed are 0.
    """
    if not counts.any(axis=1).all():
        raise DataError("there is nothing to count", where=what, found="a seed whose test units have no true and no predicted ones")


def metrics_of_counts(prefix: str, counts: Counts, what: str) -> tuple[Metric, ...]:
    """Return the F1, precision and recall of items that are counted over all units together.

    Args:
        prefix: Prefix of the metrics' names.
        counts: Function that counts correct, predicted and true items per unit.
        what: Name of the counted items, for error messages.
    """
    return tuple(_metric_of_counts(f"{prefix}-{name}", counts, ratio, what) for name, ratio in RATIOS.items())


def _metric_of_counts(name: str, counts: Counts, ratio: Ratio, what: str) -> Metric:
    def function(outcome: Outcome) -> float:
        return ratio_of_sums(*ratio(*counts(outcome.targets, outcome.predictions)))

    def influence(targets: Array, runs: Runs) -> Floats:
        right, claimed, actual = np.stack([counts(targets, row) for row in runs.predictions], axis=1)
        refuse_nothing(claimed + actual, what)
        return ratio_influence(*ratio(right, claimed, actual))

    return Metric(name, function, higher_is_better=True, perfect=1.0, influence=influence)
