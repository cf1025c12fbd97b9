"""Regression."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polytask.tasks.base import ReportView, Targets, Task
from polytask.tasks.metric import Predictions
from polytask.tasks.numeric_labels import check_standardization, labels_as_floats, mean_and_deviation, standardize
from polytask.tasks.tabular_learning import TabularLearning
from polytask.tasks.type_of_target import LabelFacts

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """Regression with the squared error in units of the training labels' standard deviation as loss.

    The loss of a unit with output z and label y is ℓ = (z − (y − mean) / deviation)², so that the best constant has a loss near 1,
    whatever the unit. Predictions are in the original unit: z · deviation + mean.

    Attributes:
        mean: Mean of the training labels; `fitted` sets it.
        deviation: Standard deviation of the training labels; `fitted` sets it.

    Raises:
        ConfigError: The mean is not finite, or the deviation is not a finite number above 0.

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
    report_view: ClassVar[ReportView] = ReportView.RESIDUALS

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        check_standardization(self.name, self.mean, self.deviation)

    @property
    def outputs(self) -> int:
        """Number of outputs: 1, the standardized prediction."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """Return the task with the mean and standard deviation of the labels, ignoring missing ones.

        Raises:
            DataError: There is no label, all labels are the same, or a label is not a finite number.
        """
        mean, deviation = mean_and_deviation(self.name, labels)
        return replace(self, mean=mean, deviation=deviation)

    def encode(self, labels: Array) -> Targets:
        """Encode labels standardized by `mean` and `deviation`, float32.

        Raises:
            DataError: A label is not a number, is infinite, or exceeds the range of float32 in units of the deviation.
        """
        return standardize(self.name, labels, self.mean, self.deviation)

    def decode(self, values: Array) -> Array:
        """Return the predictions, which are in the original unit already, as float64."""
        return np.asarray(values, dtype=np.float64)

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels as numbers, float64."""
        return labels_as_floats(self.name, labels)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the squared error in units of the deviation."""
        from torch.nn import functional

        return functional.mse_loss(outputs.squeeze(1), targets, reduction="none")

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: nothing."""
        return ()

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict numbers in the original unit, float64."""
        numbers = outputs.double().squeeze(1).numpy(force=True)
        return Predictions(numbers * self.deviation + self.mean, None)

    def tabular_learning(self) -> TabularLearning:
        """Return a regressor with the squared error."""
        return TabularLearning(lambda numbers: Predictions(numbers, None))

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Return whether the labels are numbers; the kinds with classes, which are tried first, take few distinct whole numbers."""
        return facts.numeric
