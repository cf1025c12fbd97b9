"""Quantile regression."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import Targets, Task, constant
from polytask.tasks.metric import Predictions
from polytask.tasks.numeric_labels import Array, check_standardization, labels_as_floats, mean_and_deviation, standardize
from polytask.tasks.prediction_parsing import finite_numbers, texts_in
from polytask.tasks.tabular_learning import TabularLearning

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Quantile(Task):
    """Quantile regression of several levels, with the pinball loss in units of the training labels' standard deviation.

    Outputs z (Q,) give the quantiles q_1 = z_1, q_k = q_{k−1} + log(1 + exp(z_k)), which never cross. The loss of a unit with
    label y is the mean over the levels τ of ρ_τ(u) = max(τ u, (τ − 1) u) with u = (y − mean) / deviation − q_τ (Koenker &
    Bassett, Econometrica 46:33, 1978). Predictions are the levels and quantiles in the original unit, one string per row:
    `0.1:12.5 0.5:20.0 0.9:31.0`.

    Attributes:
        levels: Quantile levels strictly between 0 and 1, increasing.
        mean: Mean of the training labels; `fitted` sets it.
        deviation: Standard deviation of the training labels; `fitted` sets it.

    Raises:
        ConfigError: The levels do not increase or are not between 0 and 1, the mean is not finite, or the deviation is not above 0.

    Example:
        >>> import torch
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
        check_standardization(self.name, self.mean, self.deviation)
        object.__setattr__(self, "levels", _checked_levels(self.name, self.levels))

    @property
    def outputs(self) -> int:
        """Number of outputs: one per level."""
        return len(self.levels)

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
        """Return the values unchanged: predictions are strings of quantiles in the original unit, and targets are numbers."""
        return np.asarray(values)

    def prediction_columns(self, values: Array) -> dict[str, Array]:
        """Return one column per level, as `price_q0.9`, and the quantile nearest to the median under the task's name."""
        quantiles = self.quantiles(values)
        middle = int(np.argmin(np.abs(np.asarray(self.levels) - 0.5)))
        every = {f"{self.name}_q{level:g}": quantiles[:, place] for place, level in enumerate(self.levels)}
        return {self.name: quantiles[:, middle], **every}

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels as numbers, float64."""
        return labels_as_floats(self.name, labels)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean over levels of the pinball loss, in units of the deviation."""
        import torch

        missing = targets.to(outputs.dtype).unsqueeze(1) - _non_crossing(outputs)
        levels = torch.tensor(self.levels, dtype=outputs.dtype).to(outputs.device, non_blocking=True)
        return torch.maximum(levels * missing, (levels - 1) * missing).mean(dim=1)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: the levels."""
        return self.levels

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict quantiles in the original unit, as one string per row."""
        quantiles = _non_crossing(outputs.double()).numpy(force=True) * self.deviation + self.mean
        return self._as_texts(quantiles)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the quantiles of the training targets."""
        quantiles = np.quantile(training, self.levels, method="inverted_cdf").tolist()
        return constant(write_quantiles(self.levels, quantiles), targets)

    def tabular_learning(self) -> TabularLearning:
        """Return one regressor per level; predictions of a row that cross are sorted."""
        options = tuple({"loss": "quantile", "quantile": level} for level in self.levels)
        return TabularLearning(lambda raw: self._as_texts(np.sort(raw.reshape(len(raw), -1), axis=1)), options=options)

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read targets as numbers, and the quantiles of every row as one string.

        Raises:
            DataError: A target is not a finite number.
        """
        del classes
        return finite_numbers(task, frame["target"]), texts_in(frame["prediction"])

    def quantiles(self, values: Array) -> NDArray[np.float64]:
        """Parse the strings (N,) of predictions to quantiles (N, Q), in the order of `levels`."""
        numbers = [[float(pair.partition(":")[2]) for pair in str(text).split()] for text in values]
        return np.array(numbers, dtype=np.float64).reshape(len(numbers), len(self.levels))

    def _as_texts(self, quantiles: Floats) -> Predictions:
        texts = [write_quantiles(self.levels, row) for row in quantiles.tolist()]
        return Predictions(np.array(texts, dtype=object), None)


def read_quantiles(texts: Array) -> tuple[Floats, Floats]:
    """Parse levels (Q,) and quantiles (N, Q) from strings like `0.1:12.5 0.9:31.0`.

    Raises:
        DataError: A string has another format, or other levels than the first.

    Example:
        >>> [part.tolist() for part in read_quantiles(["0.1:2.0 0.9:3.5", "0.1:-1.0 0.9:4.0"])]
        [[0.1, 0.9], [[2.0, 3.5], [-1.0, 4.0]]]
    """
    rows = [[pair.partition(":")[::2] for pair in str(text).split()] for text in texts]
    try:
        table = np.array(rows, dtype=object).astype(np.float64)
        levels, values = table[0, :, 0], table[:, :, 1]
    except (ValueError, IndexError):
        remedy = "Write every row's quantiles as 0.1:12.5 0.9:31.0"
        raise DataError(
            "every row must hold quantiles of the same levels", where="quantiles", found=_example(texts), remedy=remedy
        ) from None
    if (table[:, :, 0] != levels).any() or not (levels > 0).all() or not (levels < 1).all() or not np.isfinite(values).all():
        raise DataError("all rows must have finite quantiles of the same levels between 0 and 1", where="quantiles", found=_example(texts))
    return levels, values


def write_quantiles(levels: Sequence[float], values: Sequence[float]) -> str:
    """Return the quantiles of a row as one string.

    Example:
        >>> write_quantiles([0.1, 0.9], [2.0, 3.5])
        '0.1:2.0 0.9:3.5'
    """
    return " ".join(f"{float(level)!r}:{float(value)!r}" for level, value in zip(levels, values, strict=True))


def _example(texts: Array) -> str:
    return repr(str(texts[0])[:60]) if len(texts) else "none"


def _non_crossing(outputs: Tensor) -> Tensor:
    """Return quantiles (n, Q) in units of the deviation, each at least as high as the previous one."""
    import torch
    from torch.nn import functional

    # −log σ(−z) instead of `softplus(z)`, which becomes linear above z = 20 and is off by up to 2e-9.
    return torch.cat([outputs[:, :1], -functional.logsigmoid(-outputs[:, 1:])], dim=1).cumsum(dim=1)


def _checked_levels(task: str, levels: tuple[float, ...]) -> tuple[float, ...]:
    try:
        plain = tuple(float(level) for level in levels)
    except (TypeError, ValueError):
        plain = ()
    ends = (0.0, *plain, 1.0)
    if not plain or not all(low < high for low, high in pairwise(ends)):
        raise ConfigError("levels must increase and lie between 0 and 1", where=f"task {task!r}, levels", found=repr(levels))
    return plain
