"""What every kind of task has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError
from polytask.registry import Component
from polytask.registry.registered import spec_of, written_name
from polytask.registry.resolve import resolve
from polytask.registry.suggestion import nearest
from polytask.tasks.boosting import Boosting
from polytask.tasks.label_facts import LabelFacts
from polytask.tasks.metric import Metric, Predictions
from polytask.tasks.prediction_columns import finite_numbers

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


class LabelType(StrEnum):
    """What the label of one unit is."""

    NUMBER = "number"
    CLASS = "class"
    SET = "set"
    SEQUENCE = "sequence"


class ReportView(StrEnum):
    """What a report draws of a task's predictions."""

    NONE = "none"
    CONFUSION = "confusion"


class FlagColumn(NamedTuple):
    """A second column of a table, of true and false, that labels are made with.

    Attributes:
        option: The kind's option that names the column.
        join: From the target's name, its labels (N,), the flags (N,) as 1, 0 or NaN, and their column's name to labels (N,).
    """

    option: str
    join: Callable[[str, Array, NDArray[np.float64], str], Array]


class Targets(NamedTuple):
    """Labels in the form that a loss takes.

    Attributes:
        values: (N,) class codes (int64) or numbers (float32), of sets of labels (N, C), of kinds that label tokens (N, L); anything
            where there is no label.
        labeled: (N,) or (N, L), True where there is a label.
    """

    values: Array
    labeled: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Task(Component, ABC):
    """One thing to predict. A subclass owns all that is known of its kind: no other file asks which kind a task is.

    Modules of kinds import PyTorch where they compute with tensors, and not above: who only reads predictions does not wait for it.

    Attributes:
        name: How labels, losses, weights and results call it.
        weight: The αₜ that the balancer `fixed` uses unless it is given others.
        metric: The one of the kind's metrics that verdicts and scores are about, by default the first.
        selection_metric: The one of them by which, on validation rows, the best epoch is kept, training stops and settings are chosen;
            None takes `metric`.
    """

    name: str
    weight: float = 1.0
    metric: str = ""
    selection_metric: str | None = None

    component_group = "task kind"
    component_context = ("name",)
    kind: ClassVar[str]
    metrics: ClassVar[tuple[str | Metric, ...]]
    """Names of metrics, or metrics; the first decides unless the task names another."""
    label_type: ClassVar[LabelType] = LabelType.NUMBER
    """What the label of one unit is."""
    per_token: ClassVar[bool] = False
    """Whether labels and outputs belong to the tokens of a row: labels (N, L), outputs (N, L, outputs)."""
    probability_of_event: ClassVar[bool] = False
    """Whether the one output is the log-odds of an event, so that the task can stand in a chain of probabilities."""
    report_view: ClassVar[ReportView] = ReportView.NONE
    """What a report draws of its predictions."""
    flag_column: ClassVar[FlagColumn | None] = None
    """A second column of a table that its labels are made with."""

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ConfigError("a task needs a name", where="task", found=repr(self.name))
        weight: object = self.weight
        if not (isinstance(weight, int | float | np.integer | np.floating) and 0 <= weight < float("inf")):
            raise ConfigError("a task's weight is a number from 0 up", where=f"task {self.name!r}", found=self.weight)
        if not self.metric:
            object.__setattr__(self, "metric", name_of(self.available_metrics[0]))
        self.metric_called(self.metric)
        self.metric_called(self.selection_metric or self.metric)

    @property
    def available_metrics(self) -> tuple[str | Metric, ...]:
        """All metrics of the task: those of its kind."""
        return self.metrics

    def metric_called(self, name: str) -> str | Metric:
        """The entry of `available_metrics` that has this name.

        Raises:
            ConfigError: There is none.
        """
        known = {name_of(metric): metric for metric in self.available_metrics}
        if name not in known:
            where, remedy = f"task {self.name!r}, metric", nearest(str(name), tuple(known))
            raise ConfigError(f"a {self.kind} task has no such metric", where=where, found=repr(name), remedy=remedy)
        return known[name]

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that are not as they are by default: the first metric decides if none is named."""
        usual = {"metric": name_of(metric) for metric in self.metrics[:1]}
        return {name: value for name, value in super().changed_fields().items() if name not in usual or value != usual[name]}

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the head gives for one labeled unit."""

    def fitted(self, labels: Array) -> Self:
        """This task with whatever it learns from the training labels (units of measurement, for instance); here itself."""
        del labels
        return self

    @abstractmethod
    def encode(self, labels: Array) -> Targets:
        """Original labels (N,) as targets of the loss."""

    @abstractmethod
    def decode(self, values: Array) -> Array:
        """The `values` of predictions (N,) as original labels."""

    def prediction_columns(self, values: Array) -> dict[str, Array]:
        """The `values` of predictions (N,) as columns of a table: by default one, of original labels, under the task's name."""
        return {self.name: self.decode(values)}

    @abstractmethod
    def metric_targets(self, labels: Array) -> Array:
        """Original labels (N,), all there, in the coding of predictions."""

    def labeled_rows(self, labels: Array) -> NDArray[np.bool_]:
        """(N,) True for rows that have a label, if only of one of their tokens."""
        there = has_label(labels)
        return np.asarray(there.any(axis=1) if self.per_token else there, dtype=np.bool_)

    @abstractmethod
    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of every labeled unit: outputs (n, `self.outputs`), targets (n,) or (n, C) -> (n,)."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Predictions:
        """What the outputs (N, `self.outputs`) mean; of tokens (N, L, `self.outputs`), NaN where a row has no more tokens."""

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """What a predictor that never looks at the inputs says of the targets (n,); here the mean of the training targets.

        Args:
            training: (M,) in the coding of predictions, at least one.
            targets: (n,) in the same coding.
        """
        return constant(float(np.mean(training)), targets)

    def completed(self, original: Task) -> Self:
        """This task, read from a file, with what no file holds, from the task that was trained; here itself."""
        del original
        return self

    def boosting(self) -> Boosting | None:
        """What boosted trees learn in its place; None where they cannot."""
        return None

    def classes_in_order(self) -> Sequence[Any] | None:
        """All classes as predictions write them, where their order counts; None where it does not."""
        return None

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Whether such labels are taken for this kind where none is given."""
        del facts
        return False

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options that follow from all labels of a table's column, beside those that were given.

        Args:
            target: The column's name.
            labels: (N,) with gaps.
            options: Those that were given.
        """
        del target, labels, options
        return {}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Targets and predictions of a table, in the coding that the kind's metrics take; here finite numbers.

        Args:
            task: The task's name.
            frame: Its rows, with the columns target and prediction.
            classes: Its classes in order, where they were given; only kinds whose labels are classes are given any.

        Raises:
            DataError: An entry cannot be read.
        """
        del classes
        return finite_numbers(task, frame["target"]), finite_numbers(task, frame["prediction"])

    def to_dict(self) -> dict[str, object]:
        """Plain data from which `task_from_dict` makes the same task."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"kind": written_name(spec_of(type(self), "task kind"))} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
        }


def task_from_dict(data: Mapping[str, Any], components: Collection[type] | None = None) -> Task:
    """The task that `Task.to_dict` described.

    Args:
        data: Plain data.
        components: Import paths may name these classes alone, as where the data come from a file; None follows them all.

    Raises:
        ConfigError: There is no such kind, or it has no such options.

    Example:
        >>> from polytask.tasks import Regression
        >>> task_from_dict(Regression(name="price").to_dict())
        Regression(name='price')
    """
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "kind"}
    found = resolve("task kind", str(data.get("kind")), imports=components is None, components=components or ())
    task: Task = replace(found, options=options).build()
    return task


def has_label(labels: Array) -> NDArray[np.bool_]:
    """(N,) True where a label is there: neither NaN nor None nor NA."""
    return np.asarray(~pd.isna(labels), dtype=np.bool_)


def name_of(metric: str | Metric) -> str:
    """The name of a metric that may be given by its name."""
    return metric.name if isinstance(metric, Metric) else metric


def constant(value: float | str, targets: Array) -> Predictions:
    """The same value for every target.

    Example:
        >>> constant(2.0, np.array([1.0, 5.0])).values.tolist()
        [2.0, 2.0]
    """
    return Predictions(np.full(len(targets), value, dtype=object if isinstance(value, str) else np.float64), None)
