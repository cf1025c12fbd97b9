"""How learners of tables (trees, linear models) learn a task, with option names of scikit-learn's histogram gradient boosting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from polytask.tasks.metric import Predictions


@dataclass(frozen=True)
class TabularLearning:
    """One or several models of tables (trees, linear models) for a task, and how their outputs become predictions.

    Attributes:
        predictions: Function from the models' outputs to predictions. It takes probabilities (N, C) of a classifier, numbers (N,)
            of a regressor, or numbers (N, models) of several regressors.
        classes: Number of classes of a classifier; 0 for regressors.
        options: One mapping per model with the options that are specific to it, such as `loss`.

    Example:
        >>> from polytask.tasks import Count
        >>> Count(name="claims").tabular_learning().options
        ({'loss': 'poisson'},)
    """

    predictions: Callable[[NDArray[Any]], Predictions]
    classes: int = 0
    options: tuple[Mapping[str, Any], ...] = ({},)
