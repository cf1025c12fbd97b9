"""What every kind of task has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from polytask.errors import ConfigError
from polytask.registry import Component
from polytask.registry.registered import spec_of, written_name
from polytask.registry.resolve import resolve
from polytask.registry.suggestion import nearest

Array = NDArray[Any]


class Targets(NamedTuple):
    """Labels in the form that a loss takes.

    Attributes:
        values: (N,) class codes (int64) or numbers (float32), of sets of labels (N, C), of kinds that label tokens (N, L); anything
            where there is no label.
        labelled: (N,) or (N, L), True where there is a label.
    """

    values: Array
    labelled: NDArray[np.bool_]


class Predictions(NamedTuple):
    """A head's outputs in the form that metrics take.

    Attributes:
        values: (N,) class codes (int64), numbers in the original unit (float64), or a row's tags, labels or quantiles as one text.
        probabilities: (N, C) float64 per class, or None where the kind has none.
    """

    values: Array
    probabilities: Array | None


@dataclass(frozen=True, kw_only=True)
class Task(Component, ABC):
    """One thing to predict.

    Attributes:
        name: How labels, losses, weights and results call it.
        weight: The αₜ that the balancer `fixed` uses unless it is given others.
        metric: By which models are chosen and verdicts are given: one of the kind's metrics, by default the first.
    """

    name: str
    weight: float = 1.0
    metric: str = ""

    component_group = "task kind"
    component_context = ("name",)
    kind: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    """Names of metrics; the first decides unless the task names another."""
    per_token: ClassVar[bool] = False
    """Whether labels and outputs belong to the tokens of a row: labels (N, L), outputs (N, L, outputs)."""

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ConfigError("a task needs a name", where="task", found=repr(self.name))
        weight: object = self.weight
        if not (isinstance(weight, int | float | np.integer | np.floating) and 0 <= weight < float("inf")):
            raise ConfigError("a task's weight is a number from 0 up", where=f"task {self.name!r}", found=self.weight)
        if not self.metric:
            object.__setattr__(self, "metric", self.metrics[0])
        if self.metric not in self.metrics:
            where, remedy = f"task {self.name!r}, metric", nearest(str(self.metric), self.metrics)
            raise ConfigError(f"a {self.kind} task has no such metric", where=where, found=repr(self.metric), remedy=remedy)

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that are not as they are by default: the first metric decides if none is named."""
        changed = super().changed_fields()
        return {name: value for name, value in changed.items() if (name, value) != ("metric", self.metrics[0])}

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the head gives for one labelled unit."""

    @abstractmethod
    def fitted(self, labels: Array) -> Self:
        """This task with whatever it learns from the training labels (units of measurement, for instance)."""

    @abstractmethod
    def encode(self, labels: Array) -> Targets:
        """Original labels (N,) as targets of the loss."""

    @abstractmethod
    def decode(self, values: Array) -> Array:
        """The `values` of predictions (N,) as original labels."""

    def columns(self, values: Array) -> dict[str, Array]:
        """The `values` of predictions (N,) as columns of a table: by default one, of original labels, under the task's name."""
        return {self.name: self.decode(values)}

    @abstractmethod
    def values(self, labels: Array) -> Array:
        """Original labels (N,), all there, in the coding of predictions."""

    def units(self, labels: Array) -> NDArray[np.bool_]:
        """(N,) True for rows that have a label, if only of one of their tokens."""
        there = present(labels)
        return np.asarray(there.any(axis=1) if self.per_token else there, dtype=np.bool_)

    @abstractmethod
    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of every labelled unit: outputs (n, `self.outputs`), targets (n,) or (n, C) -> (n,)."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Predictions:
        """What the outputs (N, `self.outputs`) mean; of tokens (N, L, `self.outputs`), NaN where a row has no more tokens."""

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


def present(labels: Array) -> NDArray[np.bool_]:
    """(N,) True where a label is there: neither NaN nor None nor NA."""
    return np.asarray(~pd.isna(labels), dtype=np.bool_)
