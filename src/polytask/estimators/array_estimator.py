"""Base class of estimators for arrays of targets of the same type, as in scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from polytask.estimators.base import (
    BaseTableEstimator,
    check_no_target_leak,
    check_same_order,
    labels_and_tasks,
    sample_weights_by_task,
    to_target_frame,
    with_task_weights,
)

Array = NDArray[Any]


class ArrayEstimator(BaseTableEstimator):
    """Base class for estimators that take targets (N,) or (N, T) and return predictions of the same shape."""

    def fit(
        self,
        X: Any,  # noqa: ANN401 - as scikit-learn
        y: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
        task_weights: Mapping[str, float] | None = None,
    ) -> Self:
        """Train on rows X and their targets y.

        Args:
            X: Inputs (N, F), as an array of numbers or a table with columns of any types; missing values are allowed.
            y: Targets (N,) or (N, T); NaN marks a missing label. Columns without names are called "0", "1", ….
            sample_weight: Factors of the losses of each row (N,), or of each row and target (N, T); `None` weighs all rows equally.
            task_weights: Weights αₜ of tasks, by target; others keep their weight. `None` changes no weight.

        Returns:
            The fitted estimator.

        Raises:
            DataError: X, y or weights are invalid, or do not fit each other.
            ConfigError: A name or an option does not exist.
        """
        frame = self._inputs(X, reset=True)
        targets, named, self._flat = to_target_frame(y)
        check_consistent_length(frame, targets)
        check_same_order(X, y)
        if named:
            check_no_target_leak(X, frame, targets)
        labels, tasks = labels_and_tasks(targets, {str(name): self._kind(targets[name]) for name in targets})
        self._note(tasks)
        tasks = with_task_weights(tasks, task_weights)
        return self._fit(frame, labels, tasks, sample_weights_by_task(sample_weight, frame, tasks))

    def predict(self, X: Any) -> Array:  # noqa: ANN401
        """Predict targets (N,) or (N, T), in the shape of those of training."""
        found = [self._task(name).decode(predictions.values) for name, predictions in self._predictions(X).items()]
        return found[0] if self._flat else np.column_stack(found)

    def _ordered(self, y: Any) -> pd.DataFrame:  # noqa: ANN401
        """Return targets as a frame, with columns in the order of training if they have the same names."""
        targets, names = to_target_frame(y)[0], [task.name for task in self.tasks_]
        return targets[names] if set(targets) == set(names) else targets

    def _kind(self, column: pd.Series[Any]) -> str:
        """Return the task kind of a target column."""
        raise NotImplementedError

    def _note(self, tasks: Any) -> None:  # noqa: ANN401
        """Store attributes of the fitted tasks; by default, none."""
