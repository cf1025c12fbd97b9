"""Targets as scikit-learn's own conventions have them: arrays, all of one sort."""

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
    """(N, F) and (N,) or (N, T) in; predictions in the shape of the targets out."""

    def fit(
        self,
        X: Any,  # noqa: ANN401 - as scikit-learn
        y: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
        task_weights: Mapping[str, float] | None = None,
    ) -> Self:
        """Train on rows X and their targets y.

        Args:
            X: (N, F) numbers, or a table of any types; gaps are allowed.
            y: (N,) or (N, T); NaN means that there is no label. Columns without names are called "0", "1", ….
            sample_weight: (N,) what each row's losses are multiplied with, or (N, T) per target.
            task_weights: Per target its αₜ.
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
        """(N,) or (N, T), as the targets were."""
        found = [self._task(name).decode(predictions.values) for name, predictions in self._predictions(X).items()]
        return found[0] if self._flat else np.column_stack(found)

    def _ordered(self, y: Any) -> pd.DataFrame:  # noqa: ANN401
        """Targets in the order of training, where they have the names that they had there."""
        targets, names = to_target_frame(y)[0], [task.name for task in self.tasks_]
        return targets[names] if set(targets) == set(names) else targets

    def _kind(self, column: pd.Series[Any]) -> str:
        raise NotImplementedError

    def _note(self, tasks: Any) -> None:  # noqa: ANN401
        """Whatever else is kept of the tasks."""
