"""Targets of any kinds at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from polytask.architectures import Architecture
from polytask.architectures.module_names import USUAL_ARCHITECTURE
from polytask.balancing import Balancer
from polytask.datasets.tables.survival_targets import event_columns, labels_of_columns
from polytask.encoders import Encoder
from polytask.errors import ConfigError
from polytask.estimators.base import (
    BaseTableEstimator,
    check_no_target_leak,
    check_same_order,
    labels_and_tasks,
    sample_weights_by_task,
    to_target_frame,
    with_task_weights,
)
from polytask.metrics.metric_functions import compute_metrics, metric_of, relative_score
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.registry.suggestion import nearest
from polytask.tasks import LabelType, Outcome, Task

Array = NDArray[Any]


def _has_classes(estimator: MultiTaskEstimator) -> bool:
    """Whether there is a target with classes, as far as is known."""
    return not hasattr(estimator, "tasks_") or any(task.label_type is not LabelType.NUMBER for task in estimator.tasks_)


@final
class MultiTaskEstimator(BaseTableEstimator):
    """One network for targets of any kinds, with gaps in the labels in any pattern.

    Minimizes L = Σₜ αₜ Lₜ, where Lₜ is the mean loss over the rows that have a label of target t; a row without a label of t has no part
    in Lₜ and every part in the others. Training is in float32, prediction in float64.

    Args:
        targets: Per target its kind, with options if it has any (`binary(positive_weight=balanced)`), or a task; None infers it. By
            default every column of Y is a target whose kind is inferred.
        preset: The budget: `quick`, `standard` or `thorough`.
        architecture: A way of sharing: a name, `hard` or `mmoe(experts=4)`; a class; or an object, of which another one is made.
        balancer: How the losses become one update: a name, a class or an object; by default `fixed` where tasks have weights, and else
            `equal`.
        encoder: What turns rows into features, given as the architecture is.
        encoder_options: Its arguments.
        head_layers: Widths of the heads' hidden layers.
        epochs: At most so many; by default the preset's.
        batch_size: Rows of a step; by default the preset's.
        learning_rate: Of the optimizer.
        patience: Epochs without improvement of the mean validation metric; by default the preset's.
        validation: Share of rows on which the best epoch is chosen.
        training: Any other options of `polytask.training.TrainingOptions`.
        categories: Columns that hold categories, whatever they look like.
        random_state: A seed for everything that is drawn.

    Attributes:
        kinds_: Per target its kind, as given or inferred.
        tasks_: The tasks, with what they learned of the labels.
        network_: The trained network.
        history_: Losses, weights and validation metrics over the epochs.
        validation_metrics_: Per target every metric on the validation part.
        n_iter_: Epochs trained.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, if they have any.

    Raises:
        DataError: What a table holds is not what it must be.
        ConfigError: A name or an option that does not exist.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = pd.DataFrame({"age": rng.normal(size=200), "town": rng.choice(["Oslo", "Rome"], size=200)})
        >>> Y = pd.DataFrame({"churn": np.where(X["age"] > 0, "yes", "no"), "value": X["age"] + (X["town"] == "Rome")})
        >>> Y.loc[:50, "value"] = np.nan
        >>> estimator = MultiTaskEstimator({"churn": "binary", "value": "regression"}, preset="quick", random_state=0).fit(X, Y)
        >>> estimator.predict(X).columns.tolist(), estimator.kinds_["value"], estimator.score(X, Y) > 0.8
        (['churn', 'value'], 'regression', True)
    """

    def __init__(
        self,
        targets: Mapping[str, str | Task | None] | Sequence[str] | None = None,
        *,
        preset: str = "standard",
        architecture: str | type[Architecture] | Architecture = USUAL_ARCHITECTURE,
        balancer: str | type[Balancer] | Balancer | None = None,
        encoder: str | type[Encoder] | Encoder = "tabular",
        encoder_options: Mapping[str, Any] | None = None,
        head_layers: Sequence[int] = (),
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        patience: int | None = None,
        validation_fraction: float | None = None,
        training: Mapping[str, Any] | None = None,
        categorical_features: Sequence[str] = (),
        random_state: Any = None,  # noqa: ANN401 - as scikit-learn has it
    ) -> None:
        self.targets = targets
        super().__init__(
            preset=preset,
            architecture=architecture,
            balancer=balancer,
            encoder=encoder,
            encoder_options=encoder_options,
            head_layers=head_layers,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            validation_fraction=validation_fraction,
            training=training,
            categorical_features=categorical_features,
            random_state=random_state,
        )

    def fit(
        self,
        X: Any,  # noqa: ANN401 - a table of any library, or an array
        y: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
        task_weights: Mapping[str, float] | None = None,
    ) -> Self:
        """Train on rows X and their targets y.

        Args:
            X: (N, F) a table of pandas, polars or Arrow, or an array of numbers; gaps are allowed.
            y: (N, T) likewise, or (N,); NaN, None and NA mean that there is no label.
            sample_weight: (N,) what each row's losses are multiplied with, or (N, T) per target.
            task_weights: Per target its αₜ.
        """
        frame = self._inputs(X, reset=True)
        targets, self._named, self._flat = to_target_frame(y)
        targets = self._chosen(targets, targets.columns if self.targets is None else self.targets)
        check_consistent_length(frame, targets)
        check_same_order(X, y)
        if self._named:
            check_no_target_leak(X, frame, targets)
        labels, tasks = labels_and_tasks(targets, self._kinds())
        tasks = with_task_weights(tasks, task_weights)
        return self._fit(frame, labels, tasks, sample_weights_by_task(sample_weight, frame, tasks))

    def predict(self, X: Any) -> Any:  # noqa: ANN401 - a frame, or an array where Y was one
        """(N, T) original labels and units: a frame with a column per target, or an array where Y was an array."""
        answers = self._predictions(X).items()
        found = {column: own for name, answer in answers for column, own in self._task(name).prediction_columns(answer.values).items()}
        if self._named:
            return pd.DataFrame(found, index=X.index if isinstance(X, pd.DataFrame) else None)
        columns = list(found.values())
        return columns[0] if self._flat and len(columns) == 1 else np.column_stack(columns)

    @available_if(_has_classes)  # type: ignore[untyped-decorator] # scikit-learn has no types
    def predict_proba(self, X: Any) -> Any:  # noqa: ANN401 - frames by target, or arrays where Y was one
        """Per target that has classes a frame (N, C) with a column per class; where Y was an array, arrays."""
        index = X.index if isinstance(X, pd.DataFrame) else None
        found = {name: own.probabilities for name, own in self._predictions(X).items() if own.probabilities is not None}
        if self._named:
            return {name: pd.DataFrame(own, columns=list(self._task(name).classes), index=index) for name, own in found.items()}  # type: ignore[attr-defined]
        return next(iter(found.values())) if self._flat else list(found.values())

    def score(self, X: Any, y: Any) -> float:  # noqa: ANN401
        """The mean over targets with labels of (metric − trivial) / (perfect − trivial): 0 never looks at X, 1 is perfect."""
        scores = []
        for name, outcome in self._scored(X, y).items():
            if not len(outcome.targets):
                continue
            task = self._task(name)
            metric = metric_of(task)
            trivial = metric.function(trivial_predictions(task, self._truths[name], outcome.targets))
            scores.append(relative_score(metric, metric.function(outcome), trivial))
        return float(np.mean(scores)) if scores else float("nan")

    def evaluate(self, X: Any, y: Any) -> pd.DataFrame:  # noqa: ANN401
        """Every metric of every target, on the rows that have a label: columns target, metric, value, rows."""
        rows = [
            {"target": name, "metric": metric, "value": value, "rows": len(outcome.targets)}
            for name, outcome in self._scored(X, y).items()
            for metric, value in compute_metrics(outcome, self._task(name).available_metrics).items()
        ]
        return pd.DataFrame(rows, columns=["target", "metric", "value", "rows"])

    def _scored(self, X: Any, y: Any) -> dict[str, Outcome]:  # noqa: ANN401
        check_is_fitted(self)
        return self._outcomes(X, labels_of_columns(self._chosen(to_target_frame(y)[0], list(self.kinds_)), self._kinds()))

    def _kinds(self) -> Mapping[str, str | Task | None]:
        return self.targets if isinstance(self.targets, Mapping) else {}

    def _chosen(self, targets: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
        """The columns of these targets, and those that say whether their events have happened."""
        if isinstance(names, str):
            raise ConfigError("several targets are a list, or a mapping to their kinds", where="targets", found=repr(names))
        wanted = list(map(str, names))
        for name in dict.fromkeys([*wanted, *event_columns(self._kinds()).values()]):
            if name not in targets:
                raise ConfigError("no such column in Y", where=repr(name), remedy=nearest(name, tuple(targets.columns)))
        return targets[list(dict.fromkeys([*wanted, *event_columns(self._kinds()).values()]))]
