"""A number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from polytask.errors import ConfigError, DataError
from polytask.tasks.task import Predictions, Targets, Task, present

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """A number, with the squared error in units of the training labels' deviation.

    The loss of a unit with output z and label y is ℓ = (z − (y − mean) / deviation)², so that a loss near 1 is that of
    the best constant, whatever the unit. Predictions are given in the original unit: z · deviation + mean.

    Attributes:
        mean: Of the training labels; `fitted` sets it.
        deviation: Of the training labels; `fitted` sets it.

    Raises:
        ConfigError: The deviation is not above 0.

    Example:
        >>> task = Regression(name="price").fitted(np.array([1.0, 3.0, np.nan]))
        >>> task.mean, task.deviation
        (2.0, 1.0)
        >>> task.encode([4.0]).values
        array([2.], dtype=float32)
    """

    mean: float = 0.0
    deviation: float = 1.0

    kind: ClassVar[str] = "regression"
    metrics: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        if not (np.isfinite(self.mean) and 0 < self.deviation < np.inf):
            found = f"mean {self.mean}, deviation {self.deviation}"
            raise ConfigError("a finite mean and a deviation above 0 are needed", where=f"task {self.name!r}", found=found)

    @property
    def outputs(self) -> int:
        """One number."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """The task with mean and deviation of the labels that are there.

        Raises:
            DataError: There is no label, all are the same, or one is no finite number.
        """
        numbers = self._numbers(labels)[present(labels)]
        # Not by the deviation: that of three times 0.1 is 1.4e-17.
        if not len(numbers) or numbers.min() == numbers.max():
            found = f"{len(numbers)} labels" + (f", all {numbers[0]:g}" if len(numbers) else "")
            raise DataError("at least two different labels are needed", where=f"task {self.name!r}", found=found)
        with np.errstate(over="ignore"):  # an infinite deviation is refused in words
            return replace(self, mean=float(numbers.mean()), deviation=float(numbers.std()))

    def encode(self, labels: Array) -> Targets:
        """Standardised labels, float32.

        Raises:
            DataError: A label is not a number, infinite, or beyond float32 in units of the deviation.
        """
        labelled = present(labels)
        numbers = self._numbers(labels)
        with np.errstate(over="ignore"):  # refused below, in words
            scaled = np.where(labelled, (numbers - self.mean) / self.deviation, 0.0).astype(np.float32)
        beyond = np.flatnonzero(np.isinf(scaled))
        if len(beyond):
            found = f"{numbers[beyond[0]]:g}, with mean {self.mean:g} and deviation {self.deviation:g} in training"
            raise DataError("a label is too far from the training labels", where=f"task {self.name!r}, row {beyond[0]}", found=found)
        return Targets(scaled, labelled)

    def decode(self, values: Array) -> Array:
        """Predictions are in the original unit already."""
        return np.asarray(values, dtype=np.float64)

    def values(self, labels: Array) -> Array:
        """The numbers themselves, float64."""
        return self._numbers(labels)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error in units of the deviation."""
        return functional.mse_loss(outputs.squeeze(1), targets, reduction="none")

    def predict(self, outputs: Tensor) -> Predictions:
        """Numbers in the original unit."""
        numbers = outputs.double().squeeze(1).numpy(force=True)
        return Predictions(numbers * self.deviation + self.mean, None)

    def _numbers(self, labels: Array) -> NDArray[np.float64]:
        given = np.asarray(labels)
        if given.dtype.kind in "SUT":
            given = given.astype(object)  # numpy finds no common type of text and numbers
        labelled = present(given)
        try:
            numbers = np.where(labelled, given, 0.0).astype(np.float64)
        except (TypeError, ValueError):
            row = next((row for row in np.flatnonzero(labelled) if not _is_number(given[row])), int(labelled.argmax()))
            raise DataError("a label is not a number", where=f"task {self.name!r}, row {row}", found=repr(given[row])) from None
        infinite = np.flatnonzero(~np.isfinite(numbers))
        if len(infinite):
            raise DataError("a label is infinite", where=f"task {self.name!r}, row {infinite[0]}", found=numbers[infinite[0]])
        return numbers


def _is_number(label: object) -> bool:
    try:
        float(label)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
