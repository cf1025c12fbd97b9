"""Predictors that never look at the inputs: what a network must be better than."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError
from polytask.evaluation.entities import outside
from polytask.evaluation.label_sets import usual_labels
from polytask.evaluation.metrics import Outcome
from polytask.evaluation.quantiles import write_quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]


def trivial_outcome(kind: str, training: Array, targets: Array, levels: Sequence[float] = ()) -> Outcome:
    """What a predictor that never looks at the inputs makes of these targets.

    Args:
        kind: `regression` and `count`: the mean of the training targets; `quantile`: their quantiles; `survival`: their median,
            whether or not the event came; `tagging`: no entity anywhere; `multilabel`: the labels of more than half of them;
            `ordinal`: their median class; any other: their most frequent class (the lowest code of several). Classes have
            the class frequencies as probabilities.
        training: (M,) training targets that the predictor is fitted on.
        targets: (N,) targets that it is applied to, in the same coding.
        levels: Of the quantiles.

    Raises:
        DataError: No training targets.

    Example:
        >>> trivial_outcome("binary", np.array([1, 1, 0, 1]), np.array([0, 1])).probabilities.tolist()
        [[0.25, 0.75], [0.25, 0.75]]
        >>> trivial_outcome("quantile", np.arange(11.0), np.array([3.0]), levels=(0.1, 0.5)).predictions.tolist()
        ['0.1:1.0 0.5:5.0']
    """
    if not len(training):
        raise DataError("a trivial predictor needs at least one training target", where=kind, found="none")
    if kind == "tagging":
        return Outcome(targets, outside(targets))
    if kind == "quantile":
        return _constant(targets, write_quantiles(levels, np.quantile(training, levels, method="inverted_cdf").tolist()))
    if kind in CONSTANTS:
        return _constant(targets, CONSTANTS[kind](training))
    return _of_classes(training, targets, median=kind == "ordinal")


def _constant(targets: Array, value: float | str) -> Outcome:
    return Outcome(targets, np.full(len(targets), value, dtype=object if isinstance(value, str) else np.float64))


def _of_classes(training: Array, targets: Array, *, median: bool) -> Outcome:
    classes = max(2, int(training.max()) + 1, int(targets.max(initial=0)) + 1)
    counts = np.bincount(training, minlength=classes)
    frequencies = counts / len(training)
    chosen = int((2 * counts.cumsum() >= len(training)).argmax() if median else frequencies.argmax())
    return Outcome(targets, np.full(len(targets), chosen, dtype=np.int64), np.tile(frequencies, (len(targets), 1)))


CONSTANTS: Mapping[str, Callable[[Array], float | str]] = MappingProxyType(
    {
        "regression": lambda training: float(np.mean(training)),
        "count": lambda training: float(np.mean(training)),
        "survival": lambda training: float(np.median(np.abs(training))),
        "multilabel": usual_labels,
    }
)
