"""Tasks with a user-defined loss and metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.registry.function_paths import StoredPath, function_at, import_path
from polytask.registry.importing import check_importable
from polytask.registry.registered import load_class, shipped
from polytask.registry.suggestion import nearest
from polytask.tasks.base import Targets, Task, has_label, name_of
from polytask.tasks.metric import Metric, Outcome, Predictions, Runs
from polytask.tasks.number_rows import columns_of, numbers_of_rows, read_rows, write_rows

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
Floats = NDArray[np.float64]
LOSS = "mean-loss"
FUNCTIONS = ("loss", "metric", "trivial")
"""Fields of `Custom` that may hold a function."""


@final
@dataclass(frozen=True, kw_only=True)
class Custom(Task):
    """Task whose loss and metric are user-defined functions. Labels are numbers, and predictions are the raw outputs of the head.

    Training minimizes the mean over units of `loss(outputs, targets)`, a function from tensors (n, outputs) and (n,), or
    (n, label_size) for labels that are tuples of several numbers, to one loss per unit (n,). The verdict is based on
    `metric(targets, predictions)`, a function from arrays (n,) or (n, label_size) and (n,) or (n, outputs) to a number; a metric of
    polytask can be given by its name. The task also has the metric "mean-loss", which `selection_metric` may name.

    The trivial predictor gives the same outputs for all units: `trivial(targets)` for the training targets or, without `trivial`,
    the outputs with the smallest mean loss on them, found by L-BFGS from their mean (from 0 where a label has another size than the
    outputs). Relative scores place the metric between the trivial predictor and `perfect`; without `perfect` they are the improvement
    over the trivial predictor in units of the latter's value. No formula is known for the influence of a unit on the metric, so
    verdicts treat 50 fixed groups of units as units.

    Files and worker processes refer to functions by their import path, `package.module:name`. A path that is given in Python is imported
    on use. A stored network predicts without the functions: a task read from a file imports nothing, and raises an error where a
    function would be called.

    Attributes:
        loss: Function that gives the loss per unit, or its import path.
        metric: Function that gives the metric, its import path, or the name of a metric of polytask.
        higher_is_better: Whether higher values of the metric are better; required where the metric is a function.
        outputs: Number of outputs of the head per unit.
        label_size: Number of numbers per label.
        perfect: Best possible value of the metric; `None` if it is not known.
        trivial: Function from training targets (n,) or (n, label_size) to the outputs of the trivial predictor, a number or
            (outputs,); `None` minimizes the mean loss.

    Raises:
        ConfigError: A loss, metric or `trivial` is not a function, a metric is unknown, a metric is a function and no direction is given,
            or a size is not a whole number of at least 1.

    Example:
        >>> import torch
        >>> def huber(outputs, targets):
        ...     return torch.nn.functional.huber_loss(outputs.squeeze(1), targets, reduction="none")
        >>> def worst(targets, predictions):
        ...     return float(abs(targets - predictions).max())
        >>> task = Custom(name="price", loss=huber, metric=worst, higher_is_better=False, perfect=0.0)
        >>> [metric.name for metric in task.available_metrics], task.predict(torch.tensor([[2.5]])).values
        (['worst', 'mean-loss'], array([2.5]))
    """

    loss: Callable[[Tensor, Tensor], Tensor] | str
    metric: Any = ""
    higher_is_better: bool | None = None
    outputs: int = 1
    label_size: int = 1
    perfect: float | None = None
    trivial: Callable[[Array], Any] | str | None = None

    kind: ClassVar[str] = "custom"
    metrics: ClassVar[tuple[str | Metric, ...]] = ()

    def __post_init__(self) -> None:
        where = f"task {self.name!r}"
        for field, needed in (("loss", True), ("metric", True), ("trivial", False)):
            value = getattr(self, field)
            if not (callable(value) or (isinstance(value, str) and value) or (value is None and not needed)):
                raise ConfigError("expected a function or its name", where=f"{where}, {field}", found=repr(value))
        if self.higher_is_better is None and _is_function(self.metric):
            remedy = "Give higher_is_better=True or False"
            raise ConfigError("a metric that is a function needs a direction", where=f"{where}, metric", remedy=remedy)
        known = known_metrics()
        if not _is_function(self.metric) and self.metric not in known:
            remedy = nearest(str(self.metric), known)
            raise ConfigError("unknown metric", where=f"{where}, metric", found=repr(self.metric), remedy=remedy)
        for size in ("outputs", "label_size"):
            value = getattr(self, size)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigError("a whole number of at least 1 is needed", where=f"{where}, {size}", found=repr(value))
        Task.__post_init__(self)

    @property
    def available_metrics(self) -> tuple[str | Metric, ...]:
        """The task's metric, and "mean-loss", the mean of the loss."""
        loss = Metric(LOSS, self._mean_loss, higher_is_better=False, influence=self._loss_influence)
        if not _is_function(self.metric):
            return (str(self.metric), loss)
        name = _name_of(self.metric)
        return (Metric(name, self._measured, higher_is_better=bool(self.higher_is_better), perfect=self.perfect), loss)

    def metric_called(self, name: str) -> str | Metric:
        """Return the metric, given its function or its name, or the mean of the loss.

        Raises:
            ConfigError: The task has no metric of this name.
        """
        return self.available_metrics[0] if name == self.metric else Task.metric_called(self, name)

    def encode(self, labels: Array) -> Targets:
        """Encode labels as numbers, float32, of shape (N,) or (N, label_size).

        Raises:
            DataError: A label is not finite, or does not have `label_size` numbers; the message names the row.
        """
        numbers = self._numbers(labels).astype(np.float32)
        return Targets(numbers[:, 0] if self.label_size == 1 else numbers, has_label(labels))

    def decode(self, values: Array) -> Array:
        """Return the predictions unchanged."""
        return np.asarray(values)

    def prediction_columns(self, values: Array) -> dict[str, Array]:
        """Return one column or, for several outputs, one column per output with its number in the name, as `price_0`."""
        return columns_of(self.name, read_rows(values) if len(values) else np.zeros((0, self.outputs)))

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels as float64, or as one string per row where a label is several numbers."""
        return write_rows(self._numbers(labels))

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the losses with the user's function.

        Raises:
            ConfigError: The function does not return one number per unit, or the task comes from a file and has no function.
        """
        found: Any = self._function("loss")(outputs, targets)
        if getattr(found, "shape", None) != targets.shape[:1]:
            shape = tuple(getattr(found, "shape", ())) or type(found).__name__
            remedy = "Do not average over units: use reduction='none'"
            raise ConfigError(
                f"a loss must return one number per unit, here {len(targets)}",
                where=f"task {self.name!r}, loss",
                found=shape,
                remedy=remedy,
            )
        return found  # type: ignore[no-any-return] # a tensor

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the outputs themselves: numbers (N,), or one string per row for several outputs."""
        return Predictions(write_rows(outputs.double().numpy(force=True)), None)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the outputs that `trivial` gives, or those with the smallest mean loss, for every unit."""
        rows = read_rows(training)
        if self.trivial is None:
            best = self._best_constant(rows)
        else:
            best = np.broadcast_to(np.asarray(self._function("trivial")(_flat(rows)), dtype=np.float64), (self.outputs,))
        return Predictions(write_rows(np.tile(best, (len(targets), 1))), None)

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, the loss first; a function is given by its import path if it has one."""
        changed = super().changed_fields()
        for name in FUNCTIONS:
            if callable(changed.get(name)):
                with suppress(ConfigError):
                    changed[name] = import_path(changed[name], name)
        return {
            name: changed[name]
            for name in sorted(changed, key=lambda name: ("name", "loss").index(name) if name in ("name", "loss") else 2)
        }

    @classmethod
    def options_from_text(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Mark the import paths of functions as read, so that they are not imported."""
        paths = {name: StoredPath(options[name]) for name in FUNCTIONS if isinstance(options.get(name), str)}
        return {**options, **paths}

    def completed(self, original: Task) -> Self:
        """Return this task, read from a file, with the functions of the task that was trained."""
        held = {name: getattr(original, name) for name in FUNCTIONS if isinstance(original, Custom)}
        return type(self)(**{field.name: getattr(self, field.name) for field in fields(self)} | held)

    def to_dict(self) -> dict[str, object]:
        """Return plain data from which `task_from_dict` builds the task, with functions as import paths.

        Raises:
            ConfigError: A function cannot be imported.
        """
        plain = {name: str(value) if isinstance(value, str) else value for name, value in Task.to_dict(self).items()}
        paths = {
            name: import_path(getattr(self, name), f"task {self.name!r}, {name}") for name in FUNCTIONS if callable(getattr(self, name))
        }
        return plain | paths

    def check_importable(self) -> None:
        """Check that worker processes can import the class and the functions.

        Raises:
            ConfigError: They cannot import one of them.
        """
        Task.check_importable(self)
        for name in FUNCTIONS:
            if callable(getattr(self, name)):
                where = f"task {self.name!r}, {name}"
                check_importable(import_path(getattr(self, name), where), where)

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read targets and predictions as numbers, or as one string per row for several numbers.

        Raises:
            DataError: An entry is not finite, or rows differ in their number of numbers.
        """
        del classes
        return tuple(write_rows(_read_column(task, frame[column])) for column in ("target", "prediction"))  # type: ignore[return-value]

    def _numbers(self, labels: Array) -> Floats:
        """Return labels as numbers (N, label_size), 0 where there is no label."""
        return numbers_of_rows(self.name, labels, self.label_size)

    def _function(self, name: str) -> Callable[..., Any]:
        function = getattr(self, name)
        if isinstance(function, str) and not isinstance(function, StoredPath):
            function = function_at(function, f"task {self.name!r}, {name}")
        if not callable(function):
            remedy = "Build the task with the function itself"
            what = "a task from a file does not import its functions"
            raise ConfigError(what, where=f"task {self.name!r}, {name}", found=repr(function), remedy=remedy)
        return function  # type: ignore[no-any-return] # callable

    def _measured(self, outcome: Outcome) -> float:
        return float(self._function("metric")(_flat(read_rows(outcome.targets)), _flat(read_rows(outcome.predictions))))

    def _losses(self, targets: Array, predictions: Array) -> Floats:
        """Return the loss of every unit (n,)."""
        import torch

        truths, outputs = (torch.from_numpy(np.array(rows)) for rows in (_flat(read_rows(targets)), read_rows(predictions)))
        with torch.no_grad():
            return np.asarray(self.loss_per_unit(outputs, truths).numpy(force=True), dtype=np.float64)

    def _mean_loss(self, outcome: Outcome) -> float:
        return float(self._losses(outcome.targets, outcome.predictions).mean())

    def _loss_influence(self, targets: Array, runs: Runs) -> Floats:
        return np.stack([self._losses(targets, row) for row in runs.predictions])

    def _best_constant(self, rows: Floats) -> Floats:
        """Return the outputs (outputs,) with the smallest mean loss on targets (M, label_size).

        If L-BFGS finds no better outputs than its starting point, return that point.
        """
        import torch

        start = rows.mean(axis=0) if rows.shape[1] == self.outputs else np.zeros(self.outputs)
        targets, outputs = torch.from_numpy(_flat(rows).copy()), torch.from_numpy(start.copy()).requires_grad_()

        def mean_loss() -> Tensor:
            return self.loss_per_unit(outputs.expand(len(targets), -1), targets).mean()

        optimizer = torch.optim.LBFGS([outputs], max_iter=100, line_search_fn="strong_wolfe")

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = mean_loss()
            loss.backward()  # type: ignore[no-untyped-call] # PyTorch has no types here
            return loss

        with torch.enable_grad():
            before = float(mean_loss().detach())
            optimizer.step(step)  # type: ignore[no-untyped-call]
            after = float(mean_loss().detach())
        found = outputs.detach().numpy()
        return np.asarray(found if after <= before and np.isfinite(found).all() else start)


def known_metrics() -> tuple[str, ...]:
    """Return the names of the metrics of all task kinds of polytask."""
    kinds = (load_class(spec) for spec in shipped() if spec.group == "task kind")
    return tuple(dict.fromkeys(name_of(metric) for kind in kinds for metric in kind.metrics))


def _is_function(metric: object) -> bool:
    """Return whether a metric is a function or the import path of one, rather than the name of a metric of polytask."""
    return callable(metric) or ":" in str(metric)


def _name_of(metric: object) -> str:
    """Return the name that files use for a function or an import path."""
    named = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
    return str(named).rpartition(":")[2].rpartition(".")[2]


def _flat(rows: Floats) -> Floats:
    """Return rows of one number each as (N,), and other rows unchanged."""
    return rows[:, 0] if rows.shape[1] == 1 else rows


def _read_column(task: str, column: pd.Series[Any]) -> Floats:
    try:
        rows = read_rows(column.to_numpy(dtype=object))
    except ValueError:
        rows = np.full((len(column), 1), math.nan)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        where = f"predictions, task {task}, column {str(column.name)!r}"
        raise DataError("every row must have the same number of finite numbers", where=where, found=repr(column.iloc[int(bad.argmax())]))
    return rows
