"""Types of metrics and of the data that they are computed from. The metrics, in NumPy, are in `polytask.metrics`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Predictions(NamedTuple):
    """Predictions of one task, decoded from a head's outputs into the form that metrics take.

    Attributes:
        values: Class codes (int64), numbers in the original unit (float64), or one string per row with its tags, labels or
            quantiles; shape (N,).
        probabilities: Probabilities per class (N, C), float64; `None` for kinds without probabilities.
    """

    values: Array
    probabilities: Array | None


@dataclass(frozen=True)
class Outcome:
    """Targets and predictions of one task for its labeled units.

    Attributes:
        targets: Class codes from 0 (int64), numbers (float64), or one string per row with its tags, labels or numbers; shape (N,).
        predictions: Predictions (N,) in the same encoding; quantiles as one string per row.
        probabilities: Probabilities (N, C), float64, with one column per class code (binary: C = 2) or per label; `None` if there
            are none.
    """

    targets: Array
    predictions: Array
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Runs:
    """Predictions of one arm for one task: S seeds times n units.

    Attributes:
        predictions: Class codes, numbers or strings (S, n).
        probabilities: Predicted probabilities of the true labels (S, n); `None` if there are none.
    """

    predictions: Array
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Metric:
    """Metric of predictions, with the properties that statistics need.

    Attributes:
        name: Name of the metric in tasks and files.
        function: Function from an outcome to the metric's value.
        higher_is_better: Whether higher values are better.
        perfect: Best possible value; `None` if it is not known.
        influence: Function from targets (n,) and runs to values (S, n), one per seed and unit, whose mean over the units is the
            metric of that seed and whose spread is that of the metric; `None` if no formula is known
            (`polytask.metrics.influence_functions` then uses groups of units).
        relative_change: Whether a difference in percent of the metric is meaningful; False for metrics that can be 0 or negative.
        compares_classes: Whether the metric is undefined if all targets are of one class.

    Example:
        >>> Metric("hits", lambda outcome: float(np.mean(outcome.targets == outcome.predictions)), higher_is_better=True, perfect=1.0).name
        'hits'
    """

    name: str
    function: Callable[[Outcome], float]
    higher_is_better: bool
    perfect: float | None = None
    influence: Callable[[Array, Runs], Floats] | None = None
    relative_change: bool = True
    compares_classes: bool = False

    @property
    def sign(self) -> float:
        """Sign of an improvement: 1.0 if higher values are better, −1.0 otherwise."""
        return 1.0 if self.higher_is_better else -1.0
