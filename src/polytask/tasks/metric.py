"""What a metric is, and what it is computed from. The metrics themselves are in `polytask.metrics`, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Predictions(NamedTuple):
    """A head's outputs in the form that metrics take.

    Attributes:
        values: (N,) class codes (int64), numbers in the original unit (float64), or a row's tags, labels or quantiles as one text.
        probabilities: (N, C) float64 per class, or None where the kind has none.
    """

    values: Array
    probabilities: Array | None


@dataclass(frozen=True)
class Outcome:
    """What was true and what was predicted, for the labeled units of one task.

    Attributes:
        targets: (N,) class codes from 0 as int64, values as float64, or a row's tags, labels or numbers as one text.
        predictions: (N,) in the same coding; quantiles as one text.
        probabilities: (N, C) float64, one column per class code (binary: C = 2), or per label; None where there are none.
    """

    targets: Array
    predictions: Array
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Runs:
    """What one arm predicted for one task: S seeds times n units.

    Attributes:
        predictions: (S, n) class codes, values, or texts.
        probabilities: (S, n) the probability given to the true label; None where there are none.
    """

    predictions: Array
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Metric:
    """A number that says how good an outcome is, with what the statistics need to know of it.

    Attributes:
        name: What tasks and files write.
        function: From an outcome to the number.
        higher_is_better: Whether more of it is better.
        perfect: The best value that can be reached; None where it is not known.
        influence: From targets (n,) and runs to values (S, n), one per seed and unit, whose mean over the units is the metric of that
            seed and whose spread is that of the metric; None where no formula is known (`polytask.metrics.influence_functions` then takes
            groups of units).
        relative_change: Whether a difference in percent of the metric says something: not where it can be 0 or negative.
        compares_classes: Whether it is undefined where all targets are of one class.

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
        """1 where more is better, −1 where less is."""
        return 1.0 if self.higher_is_better else -1.0
