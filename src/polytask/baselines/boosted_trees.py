"""Boosted trees: scikit-learn's histogram gradient boosting (extra `sklearn`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from polytask.baselines.base import Baseline, TaskRows
from polytask.errors import ConfigError, MissingExtraError
from polytask.metrics.metric_functions import selection_metric_of
from polytask.tasks import Predictions, Task
from polytask.tasks.boosting import Boosting
from polytask.tasks.metric import Outcome

Array = NDArray[Any]

VALIDATION_INTERVAL = 10
"""Boosting iterations between two evaluations on the validation rows."""
MOST_CATEGORIES = 255
"""Largest number of categories that scikit-learn supports; a column with more is treated as numeric, in the order of its categories."""


def trees_support_tasks(tasks: Sequence[Task]) -> bool:
    """Return whether trees support the kinds of all tasks."""
    return all(task.boosting() is not None for task in tasks)


@final
class BoostedTrees(Baseline):
    """Histogram gradient boosting of scikit-learn, one model per task, or one per level of a quantile task.

    The number of boosting iterations is the one, among every tenth, with the best selection metric on the validation rows. The other
    options are scikit-learn's defaults, without its own early stopping. Each task says what trees learn (`Task.boosting`).

    Args:
        max_iterations: Largest number of boosting iterations, each with one tree, or one tree per class.

    Raises:
        ConfigError: `max_iterations` is below 10.

    Example:
        >>> from polytask.tasks import Regression
        >>> inputs = np.linspace(0, 1, 200)[:, None]
        >>> rows = TaskRows(inputs, (inputs[:, 0] > 0.5).astype(np.float64))
        >>> trees = BoostedTrees(max_iterations=50)
        >>> trees.fit(Regression(name="step"), rows, rows, seed=0)
        >>> trees.predict(np.array([[0.1], [0.9]])).values.round(1).tolist()
        [0.0, 1.0]
    """

    def __init__(self, max_iterations: int = 300) -> None:
        if max_iterations < VALIDATION_INTERVAL:
            what = f"an integer of at least {VALIDATION_INTERVAL} is needed"
            raise ConfigError(what, where="trees, max_iterations", found=max_iterations)
        self.max_iterations = max_iterations
        self._chosen: int | None = None

    def check(self, task: Task, input_shape: tuple[int, ...]) -> None:
        """Check that scikit-learn is installed, and that trees support the kind of a task and its inputs.

        Raises:
            MissingExtraError: scikit-learn is not installed.
            ConfigError: Trees do not support the kind of the task, or its inputs are not rows of numbers.
        """
        if find_spec("sklearn") is None:
            raise MissingExtraError("trees need scikit-learn", where="arms, 'trees'", remedy="pip install 'polytask[sklearn]'")
        _boosting_of(task)
        if len(input_shape) != 1:
            where, remedy = f"task {task.name!r}", "Leave out the arm 'trees'"
            raise ConfigError("trees need one row of numbers per label", where=where, found=f"inputs of shape {input_shape}", remedy=remedy)

    def fit(self, task: Task, training: TaskRows, validation: TaskRows, seed: int) -> None:
        """Fit the trees: twice, unless their number is known from `load_state_dict`.

        Raises:
            ConfigError: Trees do not support the kind of the task.
        """
        self._boosting, self._categorical = _boosting_of(task), _categorical(training)
        if self._chosen is None:
            self._models = self._fitted(training, self.max_iterations, seed)
            self._chosen = self._best_iterations(task, validation)
        self._models, self.epochs = self._fitted(training, self._chosen, seed), self._chosen

    def predict(self, inputs: Array) -> Predictions:
        """Predict the task for inputs (N, F)."""
        X = self._converted(inputs)
        return self._to_predictions(_stack_columns([_raw_predictions(self._boosting, model, X) for model in self._models]))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of boosting iterations."""
        return {"iterations": self._chosen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the number of boosting iterations."""
        self._chosen = state["iterations"]

    def _fitted(self, rows: TaskRows, iterations: int, seed: int) -> tuple[Any, ...]:
        from sklearn import ensemble

        estimator = ensemble.HistGradientBoostingClassifier if self._boosting.classes else ensemble.HistGradientBoostingRegressor
        common = {"max_iter": iterations, "early_stopping": False, "random_state": seed, "categorical_features": self._categorical}
        X = self._converted(rows.inputs)
        return tuple(estimator(**common, **options).fit(X, rows.targets, sample_weight=rows.weights) for options in self._boosting.options)

    def _converted(self, inputs: Array) -> Array:
        """Return inputs (N, F) as float64, with NaN for missing values in categorical columns."""
        X = inputs.astype(np.float64)
        places = np.flatnonzero(self._categorical)
        X[:, places] = np.where(X[:, places] == 0, np.nan, X[:, places])
        return X

    def _best_iterations(self, task: Task, rows: TaskRows) -> int:
        """Return the number of iterations with the best selection metric on the validation rows; the smallest one in case of ties."""
        metric, X = selection_metric_of(task), self._converted(rows.inputs)
        best, most = VALIDATION_INTERVAL, -np.inf
        for number, stages in enumerate(zip(*(_staged(self._boosting, model, X) for model in self._models), strict=True), start=1):
            if number % VALIDATION_INTERVAL == 0:
                value = metric.sign * metric.function(Outcome(rows.targets, *self._to_predictions(_stack_columns(stages))))
                if value > most:
                    best, most = number, value
        return best

    def _to_predictions(self, raw: Array) -> Predictions:
        if not self._boosting.classes:
            return self._boosting.predictions(raw)
        probabilities = np.zeros((len(raw), self._boosting.classes))
        probabilities[:, self._models[0].classes_.astype(np.int64)] = raw
        return self._boosting.predictions(probabilities)


def _boosting_of(task: Task) -> Boosting:
    """Return how trees learn a task.

    Raises:
        ConfigError: Trees do not support this kind of task.
    """
    boosting = task.boosting()
    if boosting is None:
        where, remedy = f"task {task.name!r}", "Leave out the arm 'trees'"
        raise ConfigError("trees do not support this kind of task", where=where, found=task.kind, remedy=remedy)
    return boosting


def _categorical(rows: TaskRows) -> NDArray[np.bool_]:
    """Return an (F,) mask of the columns with at most 255 categories; `False` for numeric columns."""
    cardinalities = np.zeros(rows.inputs.shape[1], dtype=np.int64) if rows.cardinalities is None else rows.cardinalities
    return np.asarray((cardinalities > 0) & (cardinalities <= MOST_CATEGORIES))


def _staged(boosting: Boosting, model: Any, X: Array) -> Iterator[Array]:  # noqa: ANN401 - one of scikit-learn's estimators
    staged: Iterator[Array] = model.staged_predict_proba(X) if boosting.classes else model.staged_predict(X)
    return staged


def _raw_predictions(boosting: Boosting, model: Any, X: Array) -> Array:  # noqa: ANN401 - one of scikit-learn's estimators
    return np.asarray(model.predict_proba(X) if boosting.classes else model.predict(X))


def _stack_columns(parts: Sequence[Array]) -> Array:
    """Return the predictions of a single model as they are, or those of several models as columns."""
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)
