"""Base class of baselines, which learn one task without a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.registry import Component
from polytask.tasks import Predictions, Task

Array = NDArray[Any]


@dataclass(frozen=True)
class TaskRows:
    """Labeled rows of one task.

    Attributes:
        inputs: (n, ...) inputs as the sources hold them, not normalized: vectors (n, F), images (n, channels, height, width) as bytes, or
            encoded tables and texts. Code 0 of a categorical column stands for a missing value.
        targets: (n,) labels in the encoding of predictions, as `Task.metric_targets` returns them.
        weights: (n,) factors of the rows' losses, with mean 1 per source; `None` if all rows count equally.
        cardinalities: (F,) number of codes of each column of a table; 0 for numeric columns. `None` for other inputs.
    """

    inputs: Array
    targets: Array
    weights: NDArray[np.float32] | None = None
    cardinalities: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.targets)


class Baseline(Component, ABC):
    """Base class of baselines: a model of one task that is no network, for comparison.

    A study fits one object per task and seed on the training rows that a network with this seed gets. Baselines are never recommended.
    Models are not stored, since that would require pickle: a new object is fitted to the same rows with the same seed before it predicts
    the test rows, so `fit` must give the same model twice.

    Attributes:
        epochs: Passes over the training rows of the last `fit`, for the table of costs.

    Example:
        >>> class Nearest(Baseline):
        ...     def fit(self, task, training, validation, seed) -> None:
        ...         self.rows = training
        ...     def predict(self, inputs):
        ...         distances = ((inputs[:, None] - self.rows.inputs) ** 2).sum(2)
        ...         return Predictions(self.rows.targets[distances.argmin(1)], None)
        >>> nearest = Nearest()
        >>> rows = TaskRows(np.array([[0.0], [1.0]]), np.array([5.0, 7.0]))
        >>> nearest.fit(None, rows, rows, seed=0)
        >>> nearest.predict(np.array([[0.2], [0.9], [4.0]])).values.tolist()
        [5.0, 7.0, 7.0]
    """

    component_group = "baseline"
    epochs: int = 1

    @abstractmethod
    def fit(self, task: Task, training: TaskRows, validation: TaskRows, seed: int) -> None:
        """Fit the model.

        Args:
            task: Task to learn, with what it has learned from the training labels, such as its classes.
            training: Rows to fit the model to.
            validation: Rows to choose between models, as the selection metric of the task (`polytask.metrics`) does for networks.
            seed: Seed of all random numbers, an integer from 0 to 2³² − 1.
        """

    @abstractmethod
    def predict(self, inputs: Array) -> Predictions:
        """Predict the task for inputs (N, ...) in the form of `TaskRows.inputs`.

        Returns:
            Values (N,) in the encoding of `TaskRows.targets`; and probabilities (N, C) if the metrics of the task are computed from such.
        """

    def check(self, task: Task, input_shape: tuple[int, ...]) -> None:
        """Check, before anything is trained, that the baseline can learn a task from inputs of a shape; by default it can.

        Raises:
            ConfigError: It cannot.
        """
        del task, input_shape

    def state_dict(self) -> dict[str, Any]:
        """Return what `fit` has chosen, such as a number of iterations, as tensors and plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict` in a new object, before `fit` is called with the same rows again."""
        del state
