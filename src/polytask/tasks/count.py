"""A number of events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import Targets, Task, has_label
from polytask.tasks.boosting import Boosting
from polytask.tasks.metric import Predictions
from polytask.tasks.numeric_labels import labels_as_floats, reject_rows

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
LINEAR_ABOVE = 20.0
"""Above this output the exponential goes on as its tangent."""


@dataclass(frozen=True, kw_only=True)
class Count(Task):
    """A number of events, 0, 1, 2, …, with the Poisson deviance.

    The output z stands for the rate λ = mean · exp(z), so that z = 0 is the best constant; the loss of a unit with count y is half
    the unit deviance, ℓ = y log(y / λ) − y + λ, which is −log P(y | λ) up to what does not depend on z (McCullagh & Nelder,
    Generalized Linear Models, 1989, §2.3). One deviation: above z = 20 the exponential goes on as its tangent,
    λ = mean · e²⁰ (z − 19), so that one bad step cannot overflow. Predictions are rates.

    Attributes:
        mean: Of the training labels; `fitted` sets it.

    Raises:
        ConfigError: The mean is not above 0.

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

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        if not 0 < self.mean < np.inf:
            raise ConfigError("a finite mean above 0 is needed", where=f"task {self.name!r}", found=self.mean)

    @property
    def outputs(self) -> int:
        """One: the logarithm of the rate in units of the mean."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """The task with the mean of the labels that are there.

        Raises:
            DataError: There is no label, none is above 0, or one is no count.
        """
        counts = self.metric_targets(labels)[has_label(labels)]
        if not counts.any():
            found = f"{len(counts)} labels" + (", all 0" if len(counts) else "")
            raise DataError("at least one count above 0 is needed", where=f"task {self.name!r}", found=found)
        return replace(self, mean=float(counts.mean()))

    def encode(self, labels: Array) -> Targets:
        """Counts, float32.

        Raises:
            DataError: A label is no whole number from 0 up; the message names the row.
        """
        return Targets(self.metric_targets(labels).astype(np.float32), has_label(labels))

    def decode(self, values: Array) -> Array:
        """Predictions are rates already."""
        return np.asarray(values, dtype=np.float64)

    def metric_targets(self, labels: Array) -> Array:
        """The counts themselves, float64.

        Raises:
            DataError: A label is no whole number from 0 up; the message names the row.
        """
        counts = labels_as_floats(self.name, labels)
        reject_rows(self.name, (counts < 0) | (counts != np.floor(counts)), counts, "a count is a whole number from 0 up")
        return counts

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Half the unit deviance, in nats."""
        import torch

        z = _log_rate(outputs.squeeze(1))
        y = torch.where(targets > 0, targets, 1.0).to(z.dtype)
        # In steps from the rate that fits best, y itself: there all digits are in the difference.
        steps = z - torch.log(y / self.mean)
        return torch.where(targets > 0, y * (torch.expm1(steps) - steps), self.mean * torch.exp(z))

    def predict(self, outputs: Tensor) -> Predictions:
        """Rates, float64."""
        import torch

        rates = self.mean * torch.exp(_log_rate(outputs.double().squeeze(1)))
        return Predictions(rates.clamp(min=torch.finfo(torch.float64).tiny).numpy(force=True), None)

    def boosting(self) -> Boosting:
        """A regressor with the Poisson deviance."""
        return Boosting(lambda rates: Predictions(rates, None), options=({"loss": "poisson"},))


def _log_rate(z: Tensor) -> Tensor:
    """The logarithm of exp(z), or of its tangent above 20."""
    import torch

    return torch.where(z > LINEAR_ABOVE, LINEAR_ABOVE + torch.log1p((z - LINEAR_ABOVE).clamp(min=0)), z)
