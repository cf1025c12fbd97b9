"""Base class of the estimators, which train a network on a table and its targets."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from polytask.architectures import Architecture
from polytask.architectures.submodule_keys import USUAL_ARCHITECTURE
from polytask.balancing import Balancer
from polytask.balancing.choose_default import default_balancer
from polytask.data import Source, TablePreprocessor
from polytask.data.reading import check_frame
from polytask.datasets.tables import make_task, to_dataframe
from polytask.datasets.tables.dataframe_conversion import has_column_names, is_one_dimensional
from polytask.datasets.tables.infer_task import infer_multilabel
from polytask.datasets.tables.survival_targets import labels_of_columns
from polytask.encoders import Encoder
from polytask.errors import ConfigError, DataError
from polytask.options import make_training_options
from polytask.options.training_presets import preset_training_options
from polytask.registry.suggestion import nearest
from polytask.table_arms import choose_model
from polytask.table_arms.model_choice import ARMS
from polytask.tasks import Outcome, Predictions, Task
from polytask.training import fit, ignore_progress
from polytask.training.preparation.default_model import plan_network
from polytask.training.trained_network import TrainedNetwork

Array = NDArray[Any]
SOURCE = "table"
_log = logging.getLogger("polytask")


class BaseTableEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Base class for estimators; subclasses define the forms of targets and predictions."""

    model: str = "network"
    time_limit: float | None = None
    decisions: Mapping[str, Any] | None = None

    def __init__(
        self,
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
        averaging: float | None = 3.0,
        validation_fraction: float | None = None,
        training: Mapping[str, Any] | None = None,
        categorical_features: Sequence[str] = (),
        text_features: Sequence[str] = (),
        device: str = "cpu",
        random_state: Any = None,  # noqa: ANN401 - as in scikit-learn: a number, a generator or None
    ) -> None:
        self.preset = preset
        self.architecture = architecture
        self.balancer = balancer
        self.encoder = encoder
        self.encoder_options = encoder_options
        self.head_layers = head_layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.averaging = averaging
        self.validation_fraction = validation_fraction
        self.training = training
        self.categorical_features = categorical_features
        self.text_features = text_features
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's Tags
        """Declare that targets are required and may be several, and that inputs may have missing values."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags

    def _fit(
        self,
        X: pd.DataFrame,
        labels: Mapping[str, Array],
        tasks: Sequence[Task],
        weights: Mapping[str, Array] | None,
        groups: Array | None = None,
    ) -> Self:
        """Train on inputs checked by `_inputs`, and labels: one network, or the models that are chosen out of fold."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        coding = TablePreprocessor.fit(X, tuple(self.categorical_features), tuple(self.text_features))
        source = Source(SOURCE, coding.encode(X), labels, preprocessor=coding, weights=weights, groups=groups)
        self._coding = coding
        if self.model == "network":
            self._fit_network(source, tasks, seed)
        else:
            self._choose(source, tasks, seed)
        self.kinds_ = {task.name: task.kind for task in self.tasks_}
        self._truths = {task.name: task.metric_targets(labels[task.name][task.labeled_rows(labels[task.name])]) for task in self.tasks_}
        _log.info("targets: %s", ", ".join(f"{name} ({kind})" for name, kind in self.kinds_.items()))
        return self

    def _fit_network(self, source: Source, tasks: Sequence[Task], seed: int) -> None:
        choices = self._choices(len(source))
        plan = plan_network([source], self.encoder, self.encoder_options, self.architecture, self.head_layers)
        balancer = default_balancer({task.name: task.weight for task in tasks}, self.balancer)
        run = fit(
            plan.build(tasks, seed), [source], balancer, seed=seed, progress=ignore_progress, options=make_training_options(**choices)
        )
        self.network_ = TrainedNetwork.of(plan, run)
        self.tasks_ = run.tasks
        self.history_ = run.history
        self.n_iter_ = run.epochs
        self.validation_metrics_ = run.validation

    def _choose(self, source: Source, tasks: Sequence[Task], seed: int) -> None:
        arms = ARMS if self.model == "auto" else (self.model,)
        self.choice_ = choose_model(source, tasks, seed=seed, arms=arms, time_limit=self.time_limit, decisions=self.decisions)
        self.tasks_ = self.choice_.tasks
        for note in self.choice_.notes:
            _log.info("%s", note)

    def _choices(self, rows: int) -> dict[str, Any]:
        """Return training options: those of the preset, overridden by arguments of the estimator, overridden by `training`."""
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.learning_rate, "patience": self.patience}
        given = {name: value for name, value in {**own, "validation_fraction": self.validation_fraction}.items() if value is not None}
        return {
            "threads": 1,
            "device": self.device,
            "averaging": self.averaging,
            **preset_training_options(self.preset, rows),
            **given,
            **dict(self.training or {}),
        }

    def _inputs(self, X: Any, *, reset: bool) -> pd.DataFrame:  # noqa: ANN401 - a table of any library, or an array
        """Check inputs, and return them as a frame with the column names of training; `reset` is set in training."""
        if not has_column_names(X):
            values = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=1 + reset)
            return pd.DataFrame(values, columns=self._names(values.shape[1], reset=reset))
        frame = to_dataframe(X, "X")
        check_unique_names(frame, "X")
        validate_data(self, frame, reset=reset, skip_check_array=True)
        if len(frame) < 1 + reset:
            raise DataError("too few rows", where="X", found=f"{len(frame)} sample(s), at least {1 + reset} required")
        frame = frame.set_axis(frame.columns.map(str) if reset else self._names(frame.shape[1], reset=False), axis=1)
        if reset:
            self._check_column_kinds(frame)
        # In prediction, encoding checks the cells of each column; only columns of objects may hold values that are not cells at all.
        named = {*self.categorical_features, *self.text_features}
        names = [name for name in frame if name not in named and (reset or frame[name].dtype == object)]
        if names:
            check_frame(frame[names], "X")
        return frame

    def _names(self, count: int, *, reset: bool) -> list[str]:
        """Return the names of the inputs; in prediction those of training, which scikit-learn has compared with the given ones."""
        return [f"x{number}" for number in range(count)] if reset else list(self._coding.names)

    def _check_column_kinds(self, frame: pd.DataFrame) -> None:
        """Check that all categorical and text features are columns of the inputs.

        Raises:
            ConfigError: A column does not exist, or is named as both.
        """
        for option in ("categorical_features", "text_features"):
            for name in getattr(self, option):
                if name not in frame:
                    remedy = nearest(str(name), tuple(frame.columns))
                    raise ConfigError("there is no such column", where=f"{option}, {name!r}", remedy=remedy)
        for name in self.text_features:
            if name in self.categorical_features:
                raise ConfigError("a column holds either categories or texts", where="text_features", found=repr(name))

    def _predictions(self, X: Any) -> dict[str, Predictions]:  # noqa: ANN401 - as `_inputs`
        """Predict each task; warn of categories that did not occur in training."""
        check_is_fitted(self)
        frame = self._inputs(X, reset=False)
        new = self._coding.unknown_warning(frame)
        if new:
            warnings.warn(new, UserWarning, stacklevel=3)
        if self.model != "network":
            return self.choice_.predict(self._coding.encode(frame), self._coding)
        outputs = self.network_.outputs_for(SOURCE, frame)
        return {task.name: task.predict(outputs[task.name]) for task in self.tasks_}

    def _outcomes(self, X: Any, labels: Mapping[str, Array]) -> dict[str, Outcome]:  # noqa: ANN401 - as `_inputs`
        """Return the true and the predicted values of each task, for rows that have its label."""
        found = {}
        for name, predictions in self._predictions(X).items():
            task = self._task(name)
            there = task.labeled_rows(labels[name])
            probabilities = None if predictions.probabilities is None else predictions.probabilities[there]
            found[name] = Outcome(task.metric_targets(labels[name][there]), predictions.values[there], probabilities)
        return found

    def _task(self, name: str) -> Task:
        return next(task for task in self.tasks_ if task.name == name)


def labels_and_tasks(Y: pd.DataFrame, kinds: Mapping[str, str | type[Task] | Task | None]) -> tuple[dict[str, Array], tuple[Task, ...]]:
    """Return the labels and the tasks of the columns of a frame, by name; kinds that are not given are inferred."""
    labels = labels_of_columns(Y, kinds)
    return labels, tuple(make_task(name, own, kinds.get(name) or infer_multilabel(Y[name])) for name, own in labels.items())


def check_unique_names(frame: pd.DataFrame, where: str) -> None:
    """Refuse several columns with the same name, which would be ambiguous.

    Raises:
        DataError: A name occurs more than once.
    """
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise DataError("column names must be unique", where=where, found=repr(doubled[0]), remedy="Rename or drop one of them")


def check_same_order(X: Any, y: Any, name: str = "y") -> None:  # noqa: ANN401 - of any types
    """Refuse pandas objects with the same index in another order: matched by position, rows would get wrong labels.

    Raises:
        DataError: The indices differ only in their order.
    """
    if not (isinstance(X, pd.DataFrame) and isinstance(y, pd.DataFrame | pd.Series)) or len(X) != len(y) or X.index.equals(y.index):
        return
    if X.index.is_unique and y.index.is_unique and X.index.isin(y.index).all():
        remedy = f"Sort them in the same order: {name}.loc[X.index]"
        raise DataError(f"{name} has the rows of X in another order", where=f"{name}, index", remedy=remedy)


def to_target_frame(y: Any) -> tuple[pd.DataFrame, bool, bool]:  # noqa: ANN401 - a table of any library, or an array
    """Convert targets to a frame; also return whether their columns have names, and whether they had the shape (N,).

    A single column without a name is called `target`; several are called "0", "1", ….

    Raises:
        ValueError: There are no targets, with the message that scikit-learn's checks expect.
        DataError: A name occurs more than once.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    named = has_column_names(y)
    values = y if named else check_array(y, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="y")
    frame = to_dataframe(values, "y")
    check_unique_names(frame, "y")
    names = ["target"] if not named and frame.shape[1] == 1 else [str(name) for name in frame.columns]
    return frame.set_axis(names, axis=1), named, is_one_dimensional(values)


def check_no_target_leak(X: Any, frame: pd.DataFrame, targets: pd.DataFrame) -> None:  # noqa: ANN401 - the inputs as they were given
    """Refuse inputs that contain a target, which would be predicted from itself.

    Raises:
        DataError: A column of X has the name of a target.
    """
    both = [name for name in frame if has_column_names(X) and name in targets]
    if both:
        raise DataError("inputs must not contain a target", where=f"X, column {both[0]!r}", remedy="Drop it: X.drop(columns=Y.columns)")


def with_task_weights(tasks: Sequence[Task], weights: object) -> tuple[Task, ...]:
    """Return the tasks with their weights αₜ replaced.

    Raises:
        ConfigError: A weight belongs to no task, or weights are not a mapping.
    """
    names = [task.name for task in tasks]
    given = {} if weights is None else weights
    if not isinstance(given, Mapping):
        remedy = f"Write, for example, {{{names[0]!r}: 2.0}}"
        raise ConfigError(
            "weights must be a mapping from names of tasks to numbers", where="task_weights", found=repr(weights), remedy=remedy
        )
    for name in given:
        if name not in names:
            remedy = nearest(str(name), tuple(names))
            raise ConfigError("there is no such task", where=f"task_weights, {name!r}", remedy=remedy)
    return tuple(replace(task, weight=given.get(task.name, task.weight)) for task in tasks)


def sample_weights_by_task(weights: Any, X: pd.DataFrame, tasks: Sequence[Task]) -> dict[str, Array] | None:  # noqa: ANN401 - anything array-like
    """Return the weights of rows for each task, from one weight per row, or one per row and task, matched by name if they have names.

    Raises:
        DataError: Columns do not match the tasks in name or number, rows are in another order than those of X, or a weight is negative.
    """
    if weights is None:
        return None
    names = [task.name for task in tasks]
    check_same_order(X, weights, "sample_weight")
    if has_column_names(weights) and not is_one_dimensional(weights):
        table = to_dataframe(weights, "sample_weight")
        columns = {name: table[name] for name in names if name in table}
        if len(columns) < len(names):
            missing = next(name for name in names if name not in columns)
            found, remedy = ", ".join(map(str, table.columns)), "Name the columns like the targets"
            raise DataError("weights of a target are missing", where=f"sample_weight, {missing!r}", found=found, remedy=remedy)
    else:
        columns = _weights_by_task(weights, names)
    checked = {name: _check_sample_weight(own, X, dtype=np.float64) for name, own in columns.items()}
    for name, own in checked.items():
        if (own < 0).any():
            row = int((own < 0).argmax())
            where = f"sample_weight, target {name!r}, row {row + 1}"
            raise DataError("weights of rows must be at least 0", where=where, found=f"{own[row]:g}")
    return checked


def _weights_by_task(weights: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - anything array-like
    """Return the weights of rows for each task, matched by position."""
    if isinstance(weights, int | float):
        return dict.fromkeys(names, weights)
    array = check_array(weights, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if array.ndim == 1:
        return dict.fromkeys(names, array)
    if array.shape[1] != len(names):
        found = f"{array.shape[1]} columns for {len(names)} targets"
        raise DataError("weights must be given per row, or per row and target", where="sample_weight", found=found)
    return {name: array[:, place] for place, name in enumerate(names)}
