"""What boosted trees learn for a task, in the words of scikit-learn's histogram gradient boosting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from polytask.tasks.metric import Predictions


@dataclass(frozen=True)
class Boosting:
    """One model or several, and how their answers are read.

    Attributes:
        predictions: From the models' answers to predictions: of a classifier (N, C) probabilities, of a regressor (N,) numbers, of
            several regressors (N, models).
        classes: How many classes a classifier tells apart; 0 for regressors.
        options: One mapping per model: its options beside those that all trees have, `loss` among them.

    Example:
        >>> from polytask.tasks import Count
        >>> Count(name="claims").boosting().options
        ({'loss': 'poisson'},)
    """

    predictions: Callable[[NDArray[Any]], Predictions]
    classes: int = 0
    options: tuple[Mapping[str, Any], ...] = ({},)
