"""What the estimators have in common: from a table and its targets to a trained network."""

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

from polytask.data import Columns, Source
from polytask.datasets.tables import as_frame, labels_of, task_for
from polytask.datasets.tables.frames import is_table
from polytask.errors import ConfigError, DataError
from polytask.evaluation.metrics import Outcome
from polytask.registry.rows import nearest
from polytask.tasks import Predictions, Task
from polytask.training import fit, training_options
from polytask.training.network import Network
from polytask.training.planning import plan_for
from polytask.training.presets import training_choices

Array = NDArray[Any]
SOURCE = "table"
_log = logging.getLogger("polytask")


class TableEstimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A table in, a network for all targets out. Subclasses say how targets come and how predictions go."""

    def __init__(
        self,
        *,
        preset: str = "standard",
        architecture: str = "hard",
        balancer: str | None = None,
        encoder: str = "tabular",
        encoder_options: Mapping[str, Any] | None = None,
        head_layers: Sequence[int] = (),
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        patience: int | None = None,
        validation: float | None = None,
        training: Mapping[str, Any] | None = None,
        categories: Sequence[str] = (),
        random_state: Any = None,  # noqa: ANN401 - as scikit-learn has it: a number, a generator, or nothing
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
        self.validation = validation
        self.training = training
        self.categories = categories
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's Tags
        """Several targets at once, and gaps in the inputs."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags

    def _fit(self, X: pd.DataFrame, labels: Mapping[str, Array], tasks: Sequence[Task], weights: Mapping[str, Array] | None) -> Self:
        """Train a network on checked inputs (`_inputs`) and labels."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        coding = Columns.fit(X, tuple(self.categories))
        source = Source(SOURCE, coding.encode(X), labels, coding=coding, weights=weights)
        choices = self._choices(len(source))
        plan = plan_for([source], self.encoder, self.encoder_options, self.architecture, self.head_layers)
        balancer = self.balancer or _usual_balancer(tasks)
        run = fit(plan.build(tasks, seed), [source], balancer, seed=seed, options=training_options(**choices))
        self.network_ = Network.of(plan, run)
        self.tasks_ = run.tasks
        self.kinds_ = {task.name: task.kind for task in run.tasks}
        self.history_ = run.history
        self.n_iter_ = run.epochs
        self.validation_ = run.validation
        self._truths = {task.name: task.values(labels[task.name][task.units(labels[task.name])]) for task in run.tasks}
        _log.info("targets: %s", ", ".join(f"{name} ({kind})" for name, kind in self.kinds_.items()))
        return self

    def _choices(self, rows: int) -> dict[str, Any]:
        """Options of training: the preset's, then the estimator's own, then those of `training`."""
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.learning_rate, "patience": self.patience}
        given = {name: value for name, value in {**own, "validation": self.validation}.items() if value is not None}
        return {"threads": 1, **training_choices(self.preset, rows), **given, **dict(self.training or {})}

    def _inputs(self, X: Any, *, reset: bool) -> pd.DataFrame:  # noqa: ANN401 - a table of any library, or an array
        """Inputs as a frame with the columns that it had in training."""
        if not is_table(X):
            values = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=1 + reset)
            return pd.DataFrame(values, columns=[f"x{number}" for number in range(values.shape[1])])
        frame = as_frame(X, "X")
        check_names_differ(frame, "X")
        validate_data(self, frame, reset=reset, skip_check_array=True)
        if len(frame) < 1 + reset:
            raise DataError("too few rows", where="X", found=f"{len(frame)} sample(s), at least {1 + reset} are needed")
        names = frame.columns.map(str)
        return frame.set_axis(names, axis=1)

    def _predictions(self, X: Any) -> dict[str, Predictions]:  # noqa: ANN401 - as `_inputs`
        check_is_fitted(self)
        frame = self._inputs(X, reset=False)
        new = self.network_.codings[SOURCE].unknown(frame)
        if new:
            warnings.warn(new, UserWarning, stacklevel=3)
        outputs = self.network_.outputs_for(SOURCE, frame)
        return {task.name: task.predict(outputs[task.name]) for task in self.tasks_}

    def _outcomes(self, X: Any, labels: Mapping[str, Array]) -> dict[str, Outcome]:  # noqa: ANN401 - as `_inputs`
        """Per task what was true and what is predicted, for rows that have a label."""
        found = {}
        for name, predictions in self._predictions(X).items():
            task = self._task(name)
            there = task.units(labels[name])
            probabilities = None if predictions.probabilities is None else predictions.probabilities[there]
            found[name] = Outcome(task.values(labels[name][there]), predictions.values[there], probabilities)
        return found

    def _task(self, name: str) -> Task:
        return next(task for task in self.tasks_ if task.name == name)


def targets_of(Y: pd.DataFrame, kinds: Mapping[str, str | Task | None]) -> tuple[dict[str, Array], tuple[Task, ...]]:
    """Labels and tasks of the columns of a frame."""
    labels = {str(name): labels_of(Y[name]) for name in Y}
    return labels, tuple(task_for(name, own, kinds.get(name)) for name, own in labels.items())


def check_names_differ(frame: pd.DataFrame, where: str) -> None:
    """Refuse two columns of one name: nobody knows which is meant.

    Raises:
        DataError: A name stands there twice.
    """
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise DataError("a column's name stands there twice", where=where, found=repr(doubled[0]), remedy="Rename or drop one of them")


def check_same_order(X: Any, y: Any) -> None:  # noqa: ANN401 - of any types
    """Refuse pandas objects whose rows are the same in another order: matched by place, labels would go to the wrong rows.

    Raises:
        DataError: The indices differ in their order alone.
    """
    if not (isinstance(X, pd.DataFrame) and isinstance(y, pd.DataFrame | pd.Series)) or len(X) != len(y) or X.index.equals(y.index):
        return
    if X.index.is_unique and y.index.is_unique and X.index.isin(y.index).all():
        raise DataError("the rows of y are those of X in another order", where="y, index", remedy="Sort them alike: y.loc[X.index]")


def target_frame(y: Any) -> tuple[pd.DataFrame, bool, bool]:  # noqa: ANN401 - a table of any library, or an array
    """Targets as a frame, whether their columns have names, and whether they came as (N,).

    A single column without a name is called `target`, several "0", "1", ….
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    named = is_table(y)
    values = y if named else check_array(y, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="y")
    frame = as_frame(values, "y")
    check_names_differ(frame, "y")
    names = ["target"] if not named and frame.shape[1] == 1 else [str(name) for name in frame.columns]
    return frame.set_axis(names, axis=1), named, getattr(values, "ndim", 2) == 1


def _usual_balancer(tasks: Sequence[Task]) -> str:
    return "equal" if all(task.weight == 1 for task in tasks) else "fixed"


def weighted(tasks: Sequence[Task], weights: Mapping[str, float] | None) -> tuple[Task, ...]:
    """The tasks with their αₜ.

    Raises:
        ConfigError: A weight of a task that does not exist.
    """
    names = [task.name for task in tasks]
    for name in weights or {}:
        if name not in names:
            remedy = nearest(str(name), tuple(names))
            raise ConfigError("a weight for a task that does not exist", where=f"task_weights, {name!r}", remedy=remedy)
    return tuple(replace(task, weight=(weights or {}).get(task.name, task.weight)) for task in tasks)


def row_weights(weights: Any, X: pd.DataFrame, tasks: Sequence[Task]) -> dict[str, Array] | None:  # noqa: ANN401 - anything array-like
    """Per task the weights of rows: one per row for all tasks, or one per row and task."""
    if weights is None:
        return None
    if not isinstance(weights, pd.DataFrame | pd.Series | int | float):
        weights = check_array(weights, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    names = [task.name for task in tasks]
    if getattr(weights, "ndim", 0) == 2 and weights.shape == (len(X), len(names)) and len(names) > 1:
        per_task = np.asarray(weights, dtype=np.float64)
        return {name: _check_sample_weight(per_task[:, place], X, dtype=np.float64) for place, name in enumerate(names)}
    return dict.fromkeys(names, _check_sample_weight(weights, X, dtype=np.float64))
