"""Base class of all task kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError
from polytask.registry import Component
from polytask.registry.importing import check_importable, path_of
from polytask.registry.registered import spec_of, written_name
from polytask.registry.resolve import resolve
from polytask.registry.suggestion import nearest
from polytask.tasks.metric import Metric, Predictions
from polytask.tasks.prediction_parsing import finite_numbers
from polytask.tasks.tabular_learning import TabularLearning
from polytask.tasks.type_of_target import LabelFacts

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


class LabelType(StrEnum):
    """Type of the label of one unit: a number, several numbers, a class, a set of classes, or a sequence of classes."""

    NUMBER = "number"
    VECTOR = "vector"
    CLASS = "class"
    SET = "set"
    SEQUENCE = "sequence"


class ReportView(StrEnum):
    """Chart that a report draws of a task's predictions."""

    NONE = "none"
    CONFUSION = "confusion"
    RESIDUALS = "residuals"


class FlagColumn(NamedTuple):
    """Second, boolean column of a table that is combined with the target column into labels.

    Attributes:
        option: Option of the task kind that names the column.
        join: Function from the target's name, its labels (N,), the flags (N,) as 1, 0 or NaN, and the name of the flag column to
            combined labels (N,).
    """

    option: str
    join: Callable[[str, Array, NDArray[np.float64], str], Array]


class Targets(NamedTuple):
    """Labels encoded for a loss.

    Attributes:
        values: Class codes (int64) or numbers (float32) of shape (N,); (N, C) for sets of labels or labels of several numbers, (N, L)
            for kinds that label tokens. Entries without a label are arbitrary.
        labeled: Mask of shape (N,) or (N, L), True where there is a label.
    """

    values: Array
    labeled: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Task(Component, ABC):
    """Base class of tasks, each of which is one thing to predict.

    A subclass implements everything that is specific to its kind: no other module checks which kind a task is. Modules of
    kinds import PyTorch only inside the functions that compute with tensors, so that reading predictions does not load it.

    Attributes:
        name: Name of the task in labels, losses, weights and results.
        weight: Task weight αₜ, which the balancer `fixed` uses unless it is given other weights.
        metric: Name of the metric that verdicts and scores are based on; by default the first metric of the kind.
        selection_metric: Name of the metric on validation rows that selects the best epoch, stops training early and chooses
            hyperparameters; `None` means `metric`.
    """

    name: str
    weight: float = 1.0
    metric: str = ""
    selection_metric: str | None = None

    component_group = "task kind"
    component_context = ("name",)
    kind: ClassVar[str]
    metrics: ClassVar[tuple[str | Metric, ...]]
    """Metrics of the kind, as names or `Metric` objects; the first is the default of `metric`."""
    label_type: ClassVar[LabelType] = LabelType.NUMBER
    """Type of the label of one unit."""
    per_token: ClassVar[bool] = False
    """Whether labels and outputs belong to the tokens of a row: labels (N, L), outputs (N, L, outputs)."""
    probability_of_event: ClassVar[bool] = False
    """Whether the single output is the log-odds of an event, so that the task can be part of a chain of probabilities."""
    report_view: ClassVar[ReportView] = ReportView.NONE
    """Chart that a report draws of the predictions."""
    flag_column: ClassVar[FlagColumn | None] = None
    """Second column of a table that the labels are made with; `None` if there is none."""
    written_if_set: ClassVar[tuple[str, ...]] = ()
    """Options that files leave out while they are `None`, so that the files of tasks without them are those of earlier versions."""

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ConfigError("a task needs a name", where="task", found=repr(self.name))
        weight: object = self.weight
        if not (isinstance(weight, int | float | np.integer | np.floating) and 0 <= weight < float("inf")):
            raise ConfigError("a task's weight must be a finite number of at least 0", where=f"task {self.name!r}", found=self.weight)
        if not self.metric:
            object.__setattr__(self, "metric", name_of(self.available_metrics[0]))
        self.metric_called(self.metric)
        self.metric_called(self.selection_metric or self.metric)

    @property
    def available_metrics(self) -> tuple[str | Metric, ...]:
        """All metrics of the task; by default those of its kind."""
        return self.metrics

    def metric_called(self, name: str) -> str | Metric:
        """Return the entry of `available_metrics` with this name.

        Raises:
            ConfigError: The task has no metric of this name.
        """
        known = {name_of(metric): metric for metric in self.available_metrics}
        if name not in known:
            where, remedy = f"task {self.name!r}, metric", nearest(str(name), tuple(known))
            raise ConfigError(f"a {self.kind} task has no such metric", where=where, found=repr(name), remedy=remedy)
        return known[name]

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults; the default of `metric` is the first metric of the kind."""
        changed = super().changed_fields()
        if self.metrics and changed.get("metric") == name_of(self.metrics[0]):
            del changed["metric"]
        return changed

    @classmethod
    def options_from_text(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options that were read from a file or a text, in the form that the constructor takes; by default unchanged."""
        return dict(options)

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of outputs of the head per labeled unit."""

    def fitted(self, labels: Array) -> Self:
        """Return the task with everything that it learns from the training labels, such as a scale; by default itself.

        Args:
            labels: Original training labels (N,), with gaps; (N, k) for vectors.
        """
        del labels
        return self

    @abstractmethod
    def encode(self, labels: Array) -> Targets:
        """Encode original labels (N,) as targets of the loss."""

    @abstractmethod
    def decode(self, values: Array) -> Array:
        """Decode the `values` of predictions (N,) to original labels."""

    def prediction_columns(self, values: Array) -> dict[str, Array]:
        """Return the `values` of predictions (N,) as columns of a table.

        By default this is one column of original labels under the task's name.
        """
        return {self.name: self.decode(values)}

    @abstractmethod
    def metric_targets(self, labels: Array) -> Array:
        """Return original labels (N,), none of them missing, in the encoding of predictions."""

    def known_labels(self, labels: Array) -> Array:
        """Return original labels with those missing that the task ignores; by default unchanged."""
        return labels

    def labeled_rows(self, labels: Array) -> NDArray[np.bool_]:
        """Return a mask (N,) that is True for rows with a label; with labels per token, at least one."""
        there = has_label(self.known_labels(labels))
        return np.asarray(there.any(axis=1) if self.per_token else there, dtype=np.bool_)

    @abstractmethod
    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss (n,) of every labeled unit from outputs (n, `self.outputs`) and targets (n,) or (n, C)."""

    def loss_options(self) -> Hashable | None:
        """Return everything besides its arguments that `loss_per_unit` depends on; `None` if this is not said.

        The losses of many tasks of one class for which it is equal are computed together, by the methods of one of them. It counts only
        if the class that defines `loss_per_unit` defines it too. A subclass with further fields that matter to the loss overrides it.
        """
        return None

    @abstractmethod
    def predict(self, outputs: Tensor) -> Predictions:
        """Return the predictions that the outputs (N, `self.outputs`) stand for.

        For kinds that label tokens, outputs are (N, L, `self.outputs`), with NaN after the last token of a row.
        """

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Return the predictions of a predictor that ignores the inputs; by default the mean of the training targets.

        Args:
            training: Training targets (M,) in the encoding of predictions; at least one.
            targets: Targets (n,) to predict, in the same encoding.
        """
        return constant(float(np.mean(training)), targets)

    def completed(self, original: Task) -> Self:
        """Return this task, read from a file, completed with what files cannot hold, such as functions; by default itself.

        Args:
            original: Task that was trained, from which the missing parts are taken.
        """
        del original
        return self

    def tabular_learning(self) -> TabularLearning | None:
        """Return how learners of tables (trees, linear models) learn the task, or `None` if they cannot."""
        return None

    def classes_in_order(self) -> Sequence[Any] | None:
        """Return all classes in order, as predictions write them, or `None` if the order of classes does not matter."""
        return None

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Return whether labels with these properties suggest this kind when a target's kind is not given."""
        del facts
        return False

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return further options that follow from all labels of a table's column; by default none.

        Args:
            target: Name of the column.
            labels: Labels (N,), with gaps.
            options: Options that the user gave.
        """
        del target, labels, options
        return {}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read targets and predictions from a table, in the encoding of the kind's metrics; by default finite numbers.

        Args:
            task: Name of the task.
            frame: Rows of the task, with the columns `target` and `prediction`.
            classes: Classes in order, if the user gave them; always `None` for kinds whose labels are not classes.

        Raises:
            DataError: An entry cannot be read.
        """
        del classes
        return finite_numbers(task, frame["target"]), finite_numbers(task, frame["prediction"])

    def check_importable(self) -> None:
        """Check that worker processes can import the class.

        Raises:
            ConfigError: They cannot: the class belongs to the main program, a function, or a module of the working folder.
        """
        check_importable(path_of(type(self)), f"task {self.name!r}")

    def to_dict(self) -> dict[str, object]:
        """Return plain data from which `task_from_dict` builds the same task."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: value for name, value in values.items() if value is not None or name not in self.written_if_set}
        return {"kind": written_name(spec_of(type(self), "task kind"))} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
        }


def task_from_dict(data: Mapping[str, Any], components: Collection[type] | None = None) -> Task:
    """Build the task that `Task.to_dict` described.

    Args:
        data: Plain data with the task's kind and options.
        components: The only classes that import paths in `data` may name, for data from a file; `None` allows every import path.

    Raises:
        ConfigError: The kind does not exist, or has no such options.

    Example:
        >>> from polytask.tasks import Regression
        >>> task_from_dict(Regression(name="price").to_dict())
        Regression(name='price')
    """
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "kind"}
    found = resolve("task kind", str(data.get("kind")), imports=components is None, components=components or ())
    task: Task = replace(found, options=found.cls.options_from_text(options)).build()
    return task


def has_label(labels: Array) -> NDArray[np.bool_]:
    """Return a mask that is True where there is a label: neither NaN nor `None` nor `NA`."""
    return np.asarray(~pd.isna(labels), dtype=np.bool_)


def name_of(metric: str | Metric) -> str:
    """Return the name of a metric, which may be given as its name or as a `Metric`."""
    return metric.name if isinstance(metric, Metric) else metric


def constant(value: float | str, targets: Array) -> Predictions:
    """Return predictions of the same value for every target.

    Example:
        >>> constant(2.0, np.array([1.0, 5.0])).values.tolist()
        [2.0, 2.0]
    """
    return Predictions(np.full(len(targets), value, dtype=object if isinstance(value, str) else np.float64), None)
