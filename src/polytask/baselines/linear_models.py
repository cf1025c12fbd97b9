"""Linear models: ridge, logistic and Poisson regression of scikit-learn (extra `sklearn`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from polytask.baselines.base import TaskRows
from polytask.baselines.table_learner import SQUARED_ERROR, TableLearner, categorical_columns, one_class, raw_outputs, score
from polytask.errors import ConfigError
from polytask.tasks import Predictions, Task
from polytask.tasks.tabular_learning import TabularLearning

Array = NDArray[Any]

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
MOST_CATEGORIES = 100
"""Largest number of indicators of a categorical column; the rarest categories share one."""
MOST_ITERATIONS = 300
MOST_TIMES_TARGET = 10.0
"""Bound of predicted rates, in largest targets of the training rows: exp of a line overflows for inputs far from those rows."""


@final
class LinearModels(TableLearner):
    """One linear model per task: ridge regression, logistic regression or Poisson regression, by the kind of the task.

    It minimizes the mean loss + λ/2 ‖w‖² over standardized numbers and indicators of categories, where the loss is ½ (y − ŷ)²,
    the cross-entropy, or half the Poisson deviance. λ is the penalty with the best selection metric on the validation rows. A missing
    number is the mean of its column, with an indicator of its own; numbers are standardized in float64. Rates are at most ten times the
    largest target of the training rows.

    Args:
        penalties: Values of λ to choose from.

    Raises:
        ConfigError: There is no penalty, or one is not above 0.

    Example:
        >>> from polytask.tasks import Regression
        >>> inputs = np.linspace(0, 1, 200)[:, None]
        >>> rows = TaskRows(inputs, 3 * inputs[:, 0] + 1)
        >>> linear = LinearModels()
        >>> linear.fit(Regression(name="line"), rows, rows, seed=0)
        >>> linear.predict(np.array([[0.0], [2.0]])).values.round(2).tolist()
        [1.0, 7.0]
    """

    name: ClassVar[str] = "linear"
    losses: ClassVar[tuple[str, ...]] = (SQUARED_ERROR, "poisson")

    def __init__(self, penalties: Sequence[float] = PENALTIES) -> None:
        if not penalties or not all(0 < penalty < np.inf for penalty in penalties):
            raise ConfigError("finite numbers above 0 are needed", where="linear, penalties", found=penalties)
        self.penalties = tuple(penalties)
        self._chosen: float | None = None

    def fit(self, task: Task, training: TaskRows, validation: TaskRows, seed: int) -> None:
        """Fit a model per penalty, and keep the best; only the best one if it is known from `load_state_dict`.

        Raises:
            ConfigError: Linear models do not support the kind of the task.
        """
        del seed  # nothing is random
        self._learning = self.learning_of(task)
        self._features = _make_features(training).fit(training.inputs.astype(np.float64))
        X, held_out = self._transformed(training.inputs), self._transformed(validation.inputs)
        self._most = MOST_TIMES_TARGET * float(np.max(training.targets))
        most = -np.inf
        for penalty in self.penalties if self._chosen is None else (self._chosen,):
            models = _fitted(self._learning, penalty, X, training)
            value = score(task, validation, self._predictions(models, held_out))
            if value > most or most == -np.inf:
                most, best, self._models = value, penalty, models
        self._chosen = best

    def predict(self, inputs: Array) -> Predictions:
        """Predict the task for inputs (N, F)."""
        return self._predictions(self._models, self._transformed(inputs))

    def _predictions(self, models: Sequence[Any], X: Any) -> Predictions:  # noqa: ANN401 - an array or a sparse matrix
        with np.errstate(over="ignore"):
            raw = raw_outputs(self._learning, models, X)
        positive = any(options.get("loss") == "poisson" for options in self._learning.options)
        return self._learning.predictions(np.minimum(raw, self._most) if positive else raw)

    def state_dict(self) -> dict[str, Any]:
        """Return the penalty."""
        return {"penalty": self._chosen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the penalty."""
        self._chosen = state["penalty"]

    def _transformed(self, inputs: Array) -> Any:  # noqa: ANN401 - an array or a sparse matrix
        return self._features.transform(inputs.astype(np.float64))


def _make_features(rows: TaskRows) -> Any:  # noqa: ANN401 - one of scikit-learn's transformers
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categorical = categorical_columns(rows)
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES)
    return ColumnTransformer([("numbers", numbers, np.flatnonzero(~categorical)), ("categories", categories, np.flatnonzero(categorical))])


def _estimator(learning: TabularLearning, options: Mapping[str, Any], penalty: float, rows: int) -> Any:  # noqa: ANN401
    """Return a model of scikit-learn whose objective is the mean loss + λ/2 ‖w‖²; some of them take sums of losses."""
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

    if learning.classes:
        return LogisticRegression(C=1 / (penalty * rows), max_iter=MOST_ITERATIONS)
    if options.get("loss") == "poisson":
        return PoissonRegressor(alpha=penalty, max_iter=MOST_ITERATIONS)
    return Ridge(alpha=penalty * rows)


def _fitted(learning: TabularLearning, penalty: float, X: Any, rows: TaskRows) -> tuple[Any, ...]:  # noqa: ANN401 - a matrix
    from sklearn.exceptions import ConvergenceWarning

    constant = one_class(learning, rows)
    if constant is not None:
        return (constant,)
    estimators = [_estimator(learning, options, penalty, len(rows)) for options in learning.options]
    with catch_warnings():  # a model that has not converged competes on validation rows like every other one
        for kind in (ConvergenceWarning, RuntimeWarning):
            simplefilter("ignore", kind)
        return tuple(estimator.fit(X, rows.targets, sample_weight=rows.weights) for estimator in estimators)
