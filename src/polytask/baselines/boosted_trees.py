"""Boosted trees: scikit-learn's histogram gradient boosting (extra `sklearn`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.baselines.base import TaskRows
from polytask.baselines.table_learner import (
    SQUARED_ERROR,
    TableLearner,
    all_classes,
    categorical_columns,
    one_class,
    raw_outputs,
    score,
    stack_columns,
)
from polytask.errors import ConfigError
from polytask.tasks import Predictions, Task

Array = NDArray[Any]

VALIDATION_INTERVAL = 10
"""Boosting iterations between two evaluations on the validation rows."""
MOST_CATEGORIES = 255
"""Largest number of categories that scikit-learn supports; a column with more is treated as numeric, in the order of its categories."""


@final
class BoostedTrees(TableLearner):
    """Histogram gradient boosting of scikit-learn, one model per task, or one per level of a quantile task.

    The number of boosting iterations is the one, among every tenth, with the best selection metric on the validation rows. The other
    options are scikit-learn's defaults, without its own early stopping. Each task says what trees learn (`Task.tabular_learning`).

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

    name: ClassVar[str] = "trees"
    losses: ClassVar[tuple[str, ...]] = (SQUARED_ERROR, "poisson", "quantile")

    def __init__(self, max_iterations: int = 300) -> None:
        if max_iterations < VALIDATION_INTERVAL:
            what = f"an integer of at least {VALIDATION_INTERVAL} is needed"
            raise ConfigError(what, where="trees, max_iterations", found=max_iterations)
        self.max_iterations = max_iterations
        self._chosen: int | None = None

    def fit(self, task: Task, training: TaskRows, validation: TaskRows, seed: int) -> None:
        """Fit the trees: twice, unless their number is known from `load_state_dict`.

        Raises:
            ConfigError: Trees do not support the kind of the task.
        """
        self._learning = self.learning_of(task)
        cardinalities = 0 if training.cardinalities is None else training.cardinalities
        self._categorical = categorical_columns(training) & np.asarray(cardinalities <= MOST_CATEGORIES)
        constant = one_class(self._learning, training)
        if constant is not None:
            self._models, self._chosen, self.epochs = (constant,), VALIDATION_INTERVAL, VALIDATION_INTERVAL
            return
        if self._chosen is None:
            self._models = self._fitted(training, self.max_iterations, seed)
            self._chosen = self._best_iterations(task, validation)
        self._models, self.epochs = self._fitted(training, self._chosen, seed), self._chosen

    def predict(self, inputs: Array) -> Predictions:
        """Predict the task for inputs (N, F)."""
        return self._learning.predictions(raw_outputs(self._learning, self._models, self._converted(inputs)))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of boosting iterations."""
        return {"iterations": self._chosen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the number of boosting iterations."""
        self._chosen = state["iterations"]

    def _fitted(self, rows: TaskRows, iterations: int, seed: int) -> tuple[Any, ...]:
        from sklearn import ensemble

        estimator = ensemble.HistGradientBoostingClassifier if self._learning.classes else ensemble.HistGradientBoostingRegressor
        common = {"max_iter": iterations, "early_stopping": False, "random_state": seed, "categorical_features": self._categorical}
        X = self._converted(rows.inputs)
        return tuple(estimator(**common, **options).fit(X, rows.targets, sample_weight=rows.weights) for options in self._learning.options)

    def _converted(self, inputs: Array) -> Array:
        """Return inputs (N, F) as float64, with NaN for missing values in categorical columns."""
        X = inputs.astype(np.float64)
        places = np.flatnonzero(self._categorical)
        X[:, places] = np.where(X[:, places] == 0, np.nan, X[:, places])
        return X

    def _best_iterations(self, task: Task, rows: TaskRows) -> int:
        """Return the number of iterations with the best selection metric on the validation rows; the smallest one in case of ties."""
        best, most, X = VALIDATION_INTERVAL, -np.inf, self._converted(rows.inputs)
        for number, stages in enumerate(zip(*(self._staged(model, X) for model in self._models), strict=True), start=1):
            if number % VALIDATION_INTERVAL == 0:
                value = score(task, rows, self._learning.predictions(stack_columns(stages)))
                if value > most:
                    best, most = number, value
        return best

    def _staged(self, model: Any, X: Array) -> Iterator[Array]:  # noqa: ANN401 - one of scikit-learn's estimators
        """Yield the outputs of a model after each iteration."""
        if not self._learning.classes:
            yield from model.staged_predict(X)
        else:
            yield from (all_classes(self._learning, model, known) for known in model.staged_predict_proba(X))
