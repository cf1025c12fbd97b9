"""Prediction of counts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import ReportView, Targets, Task, has_label
from polytask.tasks.metric import Predictions
from polytask.tasks.numeric_labels import labels_as_floats, reject_rows
from polytask.tasks.tabular_learning import TabularLearning

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
LINEAR_ABOVE = 20.0
"""Output above which the exponential continues as its tangent."""


@dataclass(frozen=True, kw_only=True)
class Count(Task):
    """Number of events, 0, 1, 2, …, with the Poisson deviance as loss.

    The output z stands for the rate λ = mean · exp(z), so that z = 0 is the best constant; the loss of a unit with count y is half
    the unit deviance, ℓ = y log(y / λ) − y + λ, which is −log P(y | λ) up to terms that do not depend on z (McCullagh & Nelder,
    Generalized Linear Models, 1989, §2.3). One deviation: above z = 20 the exponential continues as its tangent,
    λ = mean · e²⁰ (z − 19), so that one bad step cannot overflow. Predictions are rates.

    Attributes:
        mean: Mean of the training labels; `fitted` sets it.

    Raises:
        ConfigError: The mean is not a finite number above 0.

    Example:
        >>> import torch
        >>> task = Count(name="claims").fitted(np.array([0, 1, 5]))
        >>> task.mean
        2.0
        >>> task.predict(torch.zeros(1, 1)).values
        array([2.])
    """

    mean: float = 1.0

    kind: ClassVar[str] = "count"
    metrics: ClassVar[tuple[str, ...]] = ("poisson-deviance", "mae", "rmse")
    report_view: ClassVar[ReportView] = ReportView.RESIDUALS

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        if not 0 < self.mean < np.inf:
            raise ConfigError("a finite mean above 0 is needed", where=f"task {self.name!r}", found=self.mean)

    @property
    def outputs(self) -> int:
        """Number of outputs: 1, the logarithm of the rate in units of the mean."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """Return the task with the mean of the labels, ignoring missing ones.

        Raises:
            DataError: There is no label, no label is above 0, or a label is not a count.
        """
        counts = self.metric_targets(labels)[has_label(labels)]
        if not counts.any():
            found = f"{len(counts)} labels" + (", all 0" if len(counts) else "")
            raise DataError("at least one count above 0 is needed", where=f"task {self.name!r}", found=found)
        return replace(self, mean=float(counts.mean()))

    def encode(self, labels: Array) -> Targets:
        """Encode labels as counts, float32.

        Raises:
            DataError: A label is not a whole number of at least 0; the message names the row.
        """
        return Targets(self.metric_targets(labels).astype(np.float32), has_label(labels))

    def decode(self, values: Array) -> Array:
        """Return the predictions, which are rates already, as float64."""
        return np.asarray(values, dtype=np.float64)

    def metric_targets(self, labels: Array) -> Array:
        """Return the counts, float64.

        Raises:
            DataError: A label is not a whole number of at least 0; the message names the row.
        """
        counts = labels_as_floats(self.name, labels)
        reject_rows(self.name, (counts < 0) | (counts != np.floor(counts)), counts, "a count must be a whole number of at least 0")
        return counts

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute half the unit deviance, in nats."""
        import torch

        z = _log_rate(outputs.squeeze(1))
        y = torch.where(targets > 0, targets, 1.0).to(z.dtype)
        # With s = z − log(y / mean) the loss is y (exp(s) − 1 − s): expm1 avoids cancellation where the rate is close to y.
        steps = z - torch.log(y / self.mean)
        return torch.where(targets > 0, y * (torch.expm1(steps) - steps), self.mean * torch.exp(z))

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: the mean of the training labels."""
        return (self.mean,)

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict rates, float64."""
        import torch

        rates = self.mean * torch.exp(_log_rate(outputs.double().squeeze(1)))
        return Predictions(rates.clamp(min=torch.finfo(torch.float64).tiny).numpy(force=True), None)

    def tabular_learning(self) -> TabularLearning:
        """Return a regressor with the Poisson deviance."""
        return TabularLearning(lambda rates: Predictions(rates, None), options=({"loss": "poisson"},))


def _log_rate(z: Tensor) -> Tensor:
    """Return the logarithm of the rate in units of the mean: z, and above 20 the logarithm of the tangent of exp."""
    import torch

    return torch.where(z > LINEAR_ABOVE, LINEAR_ABOVE + torch.log1p((z - LINEAR_ABOVE).clamp(min=0)), z)
