"""Quantiles of a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from polytask.errors import ConfigError
from polytask.tasks.numbers import Array, checked_units, numbers_of, standardised, units_of
from polytask.tasks.task import Predictions, Targets, Task


@dataclass(frozen=True, kw_only=True)
class Quantile(Task):
    """Several quantiles of a number, with the pinball loss in units of the training labels' deviation.

    From outputs z (Q,) come the quantiles q_1 = z_1 and q_k = q_{k−1} + log(1 + exp(z_k)), which never cross. The loss of a unit
    with label y is the mean over the levels τ of ρ_τ(u) = max(τ u, (τ − 1) u) with u = (y − mean) / deviation − q_τ (Koenker &
    Bassett, Econometrica 46:33, 1978). Predictions are a row's levels and quantiles in the original unit as one text,
    `0.1:12.5 0.5:20.0 0.9:31.0`.

    Attributes:
        levels: Between 0 and 1, from the lowest to the highest.
        mean: Of the training labels; `fitted` sets it.
        deviation: Of the training labels; `fitted` sets it.

    Raises:
        ConfigError: Levels that do not rise, or are not between 0 and 1; the deviation is not above 0.

    Example:
        >>> task = Quantile(name="price", levels=(0.5, 0.9), mean=10.0, deviation=2.0)
        >>> found = task.predict(torch.tensor([[1.0, 40.0]])).values
        >>> found.tolist(), task.quantiles(found).tolist()
        (['0.5:12.0 0.9:92.0'], [[12.0, 92.0]])
    """

    levels: tuple[float, ...] = (0.1, 0.5, 0.9)
    mean: float = 0.0
    deviation: float = 1.0

    kind: ClassVar[str] = "quantile"
    metrics: ClassVar[tuple[str, ...]] = ("pinball", "coverage-gap")

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        checked_units(self.name, self.mean, self.deviation)
        object.__setattr__(self, "levels", _checked_levels(self.name, self.levels))

    @property
    def outputs(self) -> int:
        """One output per level."""
        return len(self.levels)

    def fitted(self, labels: Array) -> Self:
        """The task with mean and deviation of the labels that are there.

        Raises:
            DataError: There is no label, all are the same, or one is no finite number.
        """
        mean, deviation = units_of(self.name, labels)
        return replace(self, mean=mean, deviation=deviation)

    def encode(self, labels: Array) -> Targets:
        """Standardised labels, float32.

        Raises:
            DataError: A label is not a number, infinite, or beyond float32 in units of the deviation.
        """
        return standardised(self.name, labels, self.mean, self.deviation)

    def decode(self, values: Array) -> Array:
        """Predictions are texts of quantiles in the original unit already, and truths are numbers."""
        return np.asarray(values)

    def columns(self, values: Array) -> dict[str, Array]:
        """The quantile nearest to the median under the task's name, and every one under a name with its level: `price_q0.9`."""
        quantiles = self.quantiles(values)
        middle = int(np.argmin(np.abs(np.asarray(self.levels) - 0.5)))
        every = {f"{self.name}_q{level:g}": quantiles[:, place] for place, level in enumerate(self.levels)}
        return {self.name: quantiles[:, middle], **every}

    def values(self, labels: Array) -> Array:
        """The numbers themselves, float64."""
        return numbers_of(self.name, labels)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over levels of the pinball loss, in units of the deviation."""
        missing = targets.to(outputs.dtype).unsqueeze(1) - _rising(outputs)
        levels = outputs.new_tensor(self.levels)
        return torch.maximum(levels * missing, (levels - 1) * missing).mean(dim=1)

    def predict(self, outputs: Tensor) -> Predictions:
        """Quantiles in the original unit, a row's as one text."""
        quantiles = _rising(outputs.double()).numpy(force=True) * self.deviation + self.mean
        texts = [" ".join(f"{level!r}:{value!r}" for level, value in zip(self.levels, row, strict=True)) for row in quantiles.tolist()]
        return Predictions(np.array(texts, dtype=object), None)

    def quantiles(self, values: Array) -> NDArray[np.float64]:
        """(N, Q) the quantiles that the texts (N,) of predictions hold, in the order of `levels`."""
        numbers = [[float(pair.partition(":")[2]) for pair in str(text).split()] for text in values]
        return np.array(numbers, dtype=np.float64).reshape(len(numbers), len(self.levels))


def _rising(outputs: Tensor) -> Tensor:
    """(n, Q) quantiles in units of the deviation, each no lower than the one before."""
    # By log σ: softplus leaves out what is beyond 1e-9, and these are read in double precision.
    return torch.cat([outputs[:, :1], -functional.logsigmoid(-outputs[:, 1:])], dim=1).cumsum(dim=1)


def _checked_levels(task: str, levels: tuple[float, ...]) -> tuple[float, ...]:
    try:
        plain = tuple(float(level) for level in levels)
    except (TypeError, ValueError):
        plain = ()
    ends = (0.0, *plain, 1.0)
    if not plain or not all(low < high for low, high in pairwise(ends)):
        raise ConfigError("levels lie between 0 and 1 and rise", where=f"task {task!r}, levels", found=repr(levels))
    return plain
