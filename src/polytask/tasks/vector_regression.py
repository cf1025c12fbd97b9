"""Regression of several numbers per row by one task."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import LabelType, Targets, Task, has_label
from polytask.tasks.metric import Predictions
from polytask.tasks.number_rows import read_rows, write_rows
from polytask.tasks.numeric_labels import check_standardization, labels_as_floats, mean_and_deviation, standardize

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class VectorRegression(Task):
    """Regression of k numbers per row, such as a position or a pose, with one head, one loss and one weight.

    The loss of a row with outputs z (k,) and labels y (k,) is the mean over the m components J that have a label,
    ℓ = 1 / m Σ_{j ∈ J} (z_j − (y_j − mean_j) / deviation_j)²: each component in units of the standard deviation of its training labels.
    With all labels it is the mean of the losses of k tasks `Regression`, and with k = 1 that of one, to the bit. The unit is the row; it
    has a label if any component has one. NaN or None is a component without a label.

    Labels are arrays (N, k), or tuples of k numbers in an array of objects (N,). Predictions are in the original units; inside metrics and
    files they are one string of k numbers per row, and a number for k = 1. Metrics are averages over the components.

    Attributes:
        columns: Names of the k components, in the order of labels and outputs. Predicted columns are called after the task and the
            component: `place_x`, `place_y`.
        means: Means of the training labels (k,); `fitted` sets them.
        deviations: Standard deviations of the training labels (k,); `fitted` sets them.

    Raises:
        ConfigError: There is no component, a name is empty or occurs twice, or the means and deviations are not k finite numbers, the
            latter above 0.

    Example:
        >>> task = VectorRegression(name="place", columns=("x", "y")).fitted(np.array([[1.0, 0.0], [3.0, np.nan], [np.nan, 20.0]]))
        >>> task.means, task.deviations
        ((2.0, 10.0), (1.0, 10.0))
        >>> task.encode(np.array([[4.0, np.nan]])).values.tolist()
        [[2.0, nan]]
    """

    columns: tuple[str, ...]
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    kind: ClassVar[str] = "vector"
    metrics: ClassVar[tuple[str, ...]] = ("mean-r2", "mean-mae", "mean-rmse")
    label_type: ClassVar[LabelType] = LabelType.VECTOR

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "columns", checked_components(f"task {self.name!r}", self.columns))
        for field in ("means", "deviations"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if {len(self.means), len(self.deviations)} != {len(self.columns)} and (self.means or self.deviations):
            found = f"{len(self.means)} means and {len(self.deviations)} deviations of {len(self.columns)} components"
            raise ConfigError("one mean and one deviation per component are needed", where=f"task {self.name!r}", found=found)
        for name, mean, deviation in zip(self._parts, self.means, self.deviations, strict=bool(self.means)):
            check_standardization(name, mean, deviation)

    @property
    def outputs(self) -> int:
        """Number of outputs: one standardized prediction per component."""
        return len(self.columns)

    def fitted(self, labels: Array) -> Self:
        """Return the task with the mean and standard deviation of each component of labels (N, k), ignoring missing ones.

        Raises:
            DataError: A component has no label or only one value, or a label is not a finite number.
        """
        found = [mean_and_deviation(name, column) for name, column in zip(self._parts, self._components(labels).T, strict=True)]
        means, deviations = zip(*found, strict=True)
        return replace(self, means=means, deviations=deviations)

    def encode(self, labels: Array) -> Targets:
        """Encode labels as (N, k) float32, each component standardized, NaN where a labeled row lacks one.

        Raises:
            DataError: A label is not a finite number or not one of k, or exceeds the range of float32 in units of the deviation.
        """
        rows = self._components(labels)
        scales = zip(self._parts, rows.T, self._means, self._deviations, strict=True)
        parts = [standardize(name, column, mean, deviation) for name, column, mean, deviation in scales]
        there = np.stack([part.labeled for part in parts], axis=1)
        values, labeled = np.stack([part.values for part in parts], axis=1), np.asarray(there.any(axis=1))
        return Targets(np.where(there | ~labeled[:, None], values, np.float32(np.nan)), labeled)

    def decode(self, values: Array) -> Array:
        """Return the values unchanged: numbers in the original units, as one string per row if there are several."""
        return np.asarray(values)

    def prediction_columns(self, values: Array) -> dict[str, Array]:
        """Return one column per component, as `place_x`."""
        rows = read_rows(np.asarray(values)) if len(values) else np.zeros((0, len(self.columns)))
        return {f"{self.name}_{column}": rows[:, place] for place, column in enumerate(self.columns)}

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels as one string per row, with `nan` for a missing component; as float64 if there is one component."""
        return write_rows(self._components(labels))

    def labeled_rows(self, labels: Array) -> NDArray[np.bool_]:
        """Return a mask (N,) that is True for rows with a label of any component."""
        return np.asarray(has_label(self._components(labels)).any(axis=1))

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean over the labeled components of the squared error in units of their deviations."""
        import torch
        from torch.nn import functional

        there = ~torch.isnan(targets)
        # Mask the inputs as well as the result: 0 times an infinite slope would be NaN.
        known, truths = torch.where(there, outputs, 0.0), torch.where(there, targets, 0.0)
        return functional.mse_loss(known, truths, reduction="none").sum(dim=1) / there.sum(dim=1).clamp(min=1)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: nothing."""
        return ()

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict numbers in the original units: float64 for one component, and one string per row for several."""
        return Predictions(write_rows(outputs.double().numpy(force=True) * self._deviations + self._means), None)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the mean of the training targets of each component."""
        means = np.nanmean(read_rows(np.asarray(training)), axis=0)
        return Predictions(write_rows(np.tile(means, (len(targets), 1))), None)

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read targets and predictions as one string of numbers per row, or as numbers.

        Raises:
            DataError: A prediction is not finite, a target has no number at all, or rows differ in their number of numbers.
        """
        del classes
        targets, predictions = (_read_column(task, frame[column]) for column in ("target", "prediction"))
        _reject(task, frame["prediction"], np.asarray(~np.isfinite(predictions).all(axis=1)))
        _reject(task, frame["target"], np.asarray(np.isinf(targets).any(axis=1) | np.isnan(targets).all(axis=1)))
        if targets.shape != predictions.shape:
            found = f"{targets.shape[1]} in targets, {predictions.shape[1]} in predictions"
            raise DataError("targets and predictions must have as many numbers", where=f"predictions, task {task}", found=found)
        return write_rows(targets), write_rows(predictions)

    @property
    def _parts(self) -> tuple[str, ...]:
        """Names of the components in messages."""
        return tuple(f"{self.name}.{column}" for column in self.columns)

    @property
    def _means(self) -> Floats:
        return np.array(self.means or [0.0] * len(self.columns))

    @property
    def _deviations(self) -> Floats:
        return np.array(self.deviations or [1.0] * len(self.columns))

    def _components(self, labels: Array) -> Floats:
        """Return labels as numbers (N, k), NaN where a component has none.

        Raises:
            DataError: A label is not finite, or there are not k of them in a row; the message names the row.
        """
        rows, size = np.asarray(labels), len(self.columns)
        if rows.ndim == 1:
            rows = self._stacked(rows)
        if rows.ndim != 2 or rows.shape[1] != size:
            found, remedy = f"an array of shape {rows.shape}", f"Its components are {', '.join(self.columns)}"
            raise DataError(f"labels of shape (N, {size}) are needed", where=f"task {self.name!r}", found=found, remedy=remedy)
        parts = [np.where(has_label(part), labels_as_floats(name, part), np.nan) for name, part in zip(self._parts, rows.T, strict=True)]
        return np.stack(parts, axis=1)

    def _stacked(self, labels: Array) -> Array:
        """Return labels (N,) that are tuples, or numbers of a single component, as an array of objects (N, k)."""
        size = len(self.columns)
        rows = np.full((len(labels), size), None, dtype=object)
        for row in np.flatnonzero(has_label(labels)).tolist():
            label = labels[row]
            parts = label if isinstance(label, tuple | list | np.ndarray) else (label,)
            if len(parts) != size:
                where, remedy = f"task {self.name!r}, row {row + 1}", f"Its components are {', '.join(self.columns)}"
                raise DataError(f"a label must be {size} numbers", where=where, found=repr(label), remedy=remedy)
            rows[row] = list(parts)
        return rows


def checked_components(where: str, columns: object) -> tuple[str, ...]:
    """Return the names of the components of a vector.

    Args:
        where: Task in error messages.
        columns: Names of the components.

    Raises:
        ConfigError: There is none, a name is not a non-empty text, or a name occurs twice.

    Example:
        >>> checked_components("task 'place'", ["x", "y"])
        ('x', 'y')
    """
    found = tuple(columns) if isinstance(columns, tuple | list) else ()
    if not found or not all(isinstance(name, str) and name for name in found) or len(set(found)) < len(found):
        remedy = "Write, for example, columns=('x', 'y', 'z')"
        raise ConfigError("different names of components are needed", where=f"{where}, columns", found=repr(columns), remedy=remedy)
    return found


def _read_column(task: str, column: pd.Series[Any]) -> Floats:
    try:
        return read_rows(column.to_numpy(dtype=object))
    except ValueError:
        where = f"predictions, task {task}, column {str(column.name)!r}"
        found = repr(column.iloc[0])
        raise DataError("every row must have the same number of numbers", where=where, found=f"{found} in the first row") from None


def _reject(task: str, column: pd.Series[Any], wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        where = f"predictions, task {task}, column {str(column.name)!r}"
        raise DataError("only finite numbers can be compared", where=where, found=repr(column.iloc[int(wrong.argmax())]))
