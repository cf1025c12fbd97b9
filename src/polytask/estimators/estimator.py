"""Estimator for several targets of any kinds at once."""

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
from polytask.architectures.submodule_keys import USUAL_ARCHITECTURE
from polytask.balancing import Balancer
from polytask.datasets.tables.infer_task import reject_vectors
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
    """Return whether a target has classes; before fitting, assume that one has."""
    return not hasattr(estimator, "tasks_") or any(task.label_type is not LabelType.NUMBER for task in estimator.tasks_)


@final
class MultiTaskEstimator(BaseTableEstimator):
    """Estimator with one network for targets of any kinds; labels may be missing in any pattern.

    Minimizes L = Σₜ αₜ Lₜ, where Lₜ is the mean loss over the rows that have a label of target t; a row without a label of t does not
    contribute to Lₜ, but to the losses of its other targets. Training is in float32, prediction in float64.

    Args:
        targets: Mapping from targets to their kinds (names or import paths, with options if any, `binary(positive_weight=balanced)`,
            or classes), to tasks, or to `None`, which infers the kind; or a sequence of targets with inferred kinds. `None` makes every
            column of Y a target with an inferred kind.
        model: `network` trains one network with the options below. `auto` fits networks, trees and linear models, apart and shared, on
            folds of the rows, and chooses and blends them for each target by the rows that they have not learned from: `choice_.table()`
            says what was chosen and how sure that is. The name of one of its arms (`linear`, `linear@shared`, `trees`, `trees@shared`,
            `network@apart`) fits this one alone. They take classes, numbers and counts. Trees need LightGBM (extra `trees`).
        time_limit: Seconds after which `auto` fits no further arm; `None` fits all.
        decisions: `choice_.decisions` of an earlier fit to the same rows, which is then repeated whatever the clock says.
        preset: Training budget: `quick`, `standard` or `thorough`.
        architecture: Architecture, which defines how targets share the encoder: a name such as `hard` or `mmoe(experts=4)`, a class, or an
            object that serves as a template.
        balancer: Balancer, which combines the losses into one update: a name, a class or an object; `None` means `fixed` if tasks have
            weights, and `equal` otherwise.
        encoder: Encoder, which maps rows to features: a name, a class, or an object that serves as a template.
        encoder_options: Further arguments of the encoder.
        head_layers: Widths of the heads' hidden layers.
        epochs: Maximum number of epochs; `None` uses the preset's.
        batch_size: Number of rows per training step; `None` uses the preset's.
        learning_rate: Learning rate of the optimizer.
        patience: Stop after this many epochs without improvement of the mean validation metric, or a quarter of the epochs so far if that
            is more; `None` uses the default of `TrainingOptions`.
        averaging: Horizon, in epochs, of the moving average of the weights that is validated and kept; `None` turns averaging off.
        validation_fraction: Fraction of the rows on which the best epoch is chosen; `None` uses the default of `TrainingOptions`.
        training: Further options of `polytask.options.TrainingOptions`, by name; they override the arguments above.
        categorical_features: Names of columns to treat as categories, whatever their values.
        text_features: Names of columns to treat as texts, whatever their values.
        device: Device of training: `cpu`, an accelerator such as `cuda`, `cuda:1` or `mps`, or `auto`, which is the first accelerator, or
            the CPU if there is none. The fitted estimator predicts on the CPU.
        random_state: Seed or generator for all random numbers; `None` draws a new seed from NumPy's global state.

    Attributes:
        kinds_: Kind of each target, as given or inferred.
        tasks_: Fitted tasks.
        network_: Trained network, if `model` is `network`.
        choice_: Chosen models and their weights (`polytask.table_arms.ChosenModel`), if it is not.
        history_: Losses, weights and validation metrics by epoch.
        validation_metrics_: All metrics of each target on the validation part.
        n_iter_: Number of epochs trained.
        n_features_in_: Number of columns of X.
        feature_names_in_: Names of the columns of X, if they have names.

    Raises:
        DataError: A table has invalid content.
        ConfigError: A name or an option does not exist.

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
        targets: Mapping[str, str | type[Task] | Task | None] | Sequence[str] | None = None,
        *,
        model: str = "network",
        time_limit: float | None = None,
        decisions: Mapping[str, Any] | None = None,
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
        averaging: float | None = 3.0,
        validation_fraction: float | None = None,
        training: Mapping[str, Any] | None = None,
        categorical_features: Sequence[str] = (),
        text_features: Sequence[str] = (),
        device: str = "cpu",
        random_state: Any = None,  # noqa: ANN401 - as in scikit-learn
    ) -> None:
        self.targets = targets
        self.model = model
        self.time_limit = time_limit
        self.decisions = decisions
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
            averaging=averaging,
            validation_fraction=validation_fraction,
            training=training,
            categorical_features=categorical_features,
            text_features=text_features,
            device=device,
            random_state=random_state,
        )

    def fit(
        self,
        X: Any,  # noqa: ANN401 - a table of any library, or an array
        y: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
        task_weights: Mapping[str, float] | None = None,
        groups: Any = None,  # noqa: ANN401
    ) -> Self:
        """Train on rows X and their targets y.

        Args:
            X: Inputs (N, F), as a table of pandas, polars or Arrow, or an array of numbers; missing values are allowed.
            y: Targets (N, T) in the same forms, or (N,); NaN, None and NA mark missing labels.
            sample_weight: Factors of the losses of each row (N,), or of each row and target (N, T); `None` weighs all rows equally.
            task_weights: Weights αₜ of tasks, by target; others keep their weight. `None` changes no weight.
            groups: Group of each row (N,), such as a customer; whole groups are left out where epochs and models are chosen.

        Returns:
            The fitted estimator.
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
        if groups is not None:
            groups = np.asarray(groups)
            check_consistent_length(frame, groups)
        return self._fit(frame, labels, tasks, sample_weights_by_task(sample_weight, frame, tasks), groups)

    def predict(self, X: Any) -> Any:  # noqa: ANN401 - a frame, or an array where Y was one
        """Predict targets (N, T) in their original labels and units: a frame, or an array if Y was an array."""
        answers = self._predictions(X).items()
        found = {column: own for name, answer in answers for column, own in self._task(name).prediction_columns(answer.values).items()}
        if self._named:
            return pd.DataFrame(found, index=X.index if isinstance(X, pd.DataFrame) else None)
        columns = list(found.values())
        return columns[0] if self._flat and len(columns) == 1 else np.column_stack(columns)

    @available_if(_has_classes)  # type: ignore[untyped-decorator] # scikit-learn has no types
    def predict_proba(self, X: Any) -> Any:  # noqa: ANN401 - frames by target, or arrays where Y was one
        """Predict probabilities (N, C) of each target that has classes: frames by target, or arrays if Y was an array."""
        index = X.index if isinstance(X, pd.DataFrame) else None
        found = {name: own.probabilities for name, own in self._predictions(X).items() if own.probabilities is not None}
        if self._named:
            return {name: pd.DataFrame(own, columns=list(self._task(name).classes), index=index) for name, own in found.items()}  # type: ignore[attr-defined]
        return next(iter(found.values())) if self._flat else list(found.values())

    def score(self, X: Any, y: Any) -> float:  # noqa: ANN401
        """Return the mean of (metric − trivial) / (perfect − trivial) over targets with labels.

        The trivial value is that of a predictor that ignores X: 0 is no better than it, and 1 is perfect.
        """
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
        """Compute all metrics of each target on the rows that have its label.

        Returns:
            Frame with the columns target, metric, value and rows (the number of labeled rows).
        """
        rows = [
            {"target": name, "metric": metric, "value": value, "rows": len(outcome.targets)}
            for name, outcome in self._scored(X, y).items()
            for metric, value in compute_metrics(outcome, self._task(name).available_metrics).items()
        ]
        return pd.DataFrame(rows, columns=["target", "metric", "value", "rows"])

    def _scored(self, X: Any, y: Any) -> dict[str, Outcome]:  # noqa: ANN401
        """Return the true and the predicted values of each target."""
        check_is_fitted(self)
        return self._outcomes(X, labels_of_columns(self._chosen(to_target_frame(y)[0], list(self.kinds_)), self._kinds()))

    def _kinds(self) -> Mapping[str, str | type[Task] | Task | None]:
        """Return the kinds that were given, by target."""
        return self.targets if isinstance(self.targets, Mapping) else {}

    def _chosen(self, targets: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
        """Select the columns of targets, and the event columns of survival targets.

        Raises:
            ConfigError: `names` is a single text, a column does not exist, or a target is of a kind with several numbers per label.
        """
        if isinstance(names, str):
            raise ConfigError("targets must be a list of names, or a mapping from names to kinds", where="targets", found=repr(names))
        wanted = list(map(str, names))
        reject_vectors(self._kinds())
        for name in dict.fromkeys([*wanted, *event_columns(self._kinds()).values()]):
            if name not in targets:
                raise ConfigError("there is no such column in Y", where=repr(name), remedy=nearest(name, tuple(targets.columns)))
        return targets[list(dict.fromkeys([*wanted, *event_columns(self._kinds()).values()]))]
