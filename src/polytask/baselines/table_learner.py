"""What baselines of scikit-learn for tables have in common: their checks, and how their outputs become predictions."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polytask.baselines.base import Baseline, TaskRows
from polytask.errors import ConfigError, MissingExtraError
from polytask.metrics.metric_functions import selection_metric_of
from polytask.tasks import Predictions, Task
from polytask.tasks.metric import Outcome
from polytask.tasks.tabular_learning import TabularLearning

Array = NDArray[Any]


class TableLearner(Baseline):
    """Base class of baselines that fit one model of scikit-learn per task, or one per level of a quantile task.

    Each task says what is learned (`Task.tabular_learning`).

    Attributes:
        name: Registry name, for messages.
        losses: Losses of regressors that the models support, as in `TabularLearning.options`.
    """

    name: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return whether the models support the kind of a task."""
        learning = task.tabular_learning()
        return learning is not None and all(options.get("loss", SQUARED_ERROR) in cls.losses for options in learning.options)

    def check(self, task: Task, input_shape: tuple[int, ...]) -> None:
        """Check that scikit-learn is installed, and that the models support the kind of a task and its inputs.

        Raises:
            MissingExtraError: scikit-learn is not installed.
            ConfigError: The kind of the task is not supported, or its inputs are not rows of numbers.
        """
        if find_spec("sklearn") is None:
            what, where = f"the baseline {self.name} needs scikit-learn", f"arms, {self.name!r}"
            raise MissingExtraError(what, where=where, remedy="pip install 'polytask[sklearn]'")
        self.learning_of(task)
        if len(input_shape) != 1:
            where, remedy = f"task {task.name!r}", f"Leave out the arm {self.name!r}"
            what = f"the baseline {self.name} needs one row of numbers per label"
            raise ConfigError(what, where=where, found=f"inputs of shape {input_shape}", remedy=remedy)

    def learning_of(self, task: Task) -> TabularLearning:
        """Return how a task is learned.

        Raises:
            ConfigError: The kind of the task is not supported.
        """
        learning = task.tabular_learning()
        if learning is None or not self.supports(task):
            where, remedy = f"task {task.name!r}", f"Leave out the arm {self.name!r}"
            raise ConfigError(f"the baseline {self.name} does not support this kind of task", where=where, found=task.kind, remedy=remedy)
        return learning


SQUARED_ERROR = "squared_error"
"""Loss of a regressor whose options name none."""


def categorical_columns(rows: TaskRows) -> NDArray[np.bool_]:
    """Return an (F,) mask of the columns with categories."""
    none = np.zeros(rows.inputs.shape[1], dtype=bool)
    return none if rows.cardinalities is None else np.asarray(rows.cardinalities > 0)


def one_class(learning: TabularLearning, rows: TaskRows) -> Any | None:  # noqa: ANN401 - one of scikit-learn's estimators
    """Return a classifier that predicts the only class of the rows; `None` if there are several, or numbers are learned."""
    from sklearn.dummy import DummyClassifier

    if not learning.classes or len(np.unique(rows.targets)) > 1:
        return None
    return DummyClassifier(strategy="prior").fit(rows.inputs, rows.targets)


def raw_outputs(learning: TabularLearning, models: Sequence[Any], X: Any) -> Array:  # noqa: ANN401 - scikit-learn's models and matrices
    """Return probabilities (N, C) of a classifier, numbers (N,) of a regressor, or numbers (N, models) of several regressors.

    A class without a training row has the probability 0.
    """
    if not learning.classes:
        return stack_columns([np.asarray(model.predict(X)) for model in models])
    return all_classes(learning, models[0], np.asarray(models[0].predict_proba(X)))


def all_classes(learning: TabularLearning, model: Any, known: Array) -> Array:  # noqa: ANN401 - a classifier
    """Return probabilities (N, C) of all classes from those of the classes that a classifier has met."""
    probabilities = np.zeros((len(known), learning.classes))
    probabilities[:, model.classes_.astype(np.int64)] = known
    return probabilities


def stack_columns(parts: Sequence[Array]) -> Array:
    """Return the outputs of a single model as they are, or those of several models as columns."""
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)


def score(task: Task, rows: TaskRows, predictions: Predictions) -> float:
    """Return the selection metric of predictions for rows, with a sign by which larger values are better."""
    metric = selection_metric_of(task)
    return float(metric.sign * metric.function(Outcome(rows.targets, *predictions)))
