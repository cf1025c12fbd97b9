"""Scaling and normalisation with statistics of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.errors import DataError


@dataclass(frozen=True)
class Normalisation:
    """x' = (x − mean) / deviation per channel or feature, in the units of the raw inputs.

    Statistics come from the training rows of one source. Images stay uint8 in memory and are normalised batch by batch.

    Attributes:
        mean: One per channel (images) or feature (vectors).
        deviation: Likewise; 1 where the training rows are constant.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, inputs: NDArray[Any]) -> Normalisation:
        """Statistics of the training rows (N, channels, height, width) or (N, features), in one pass over them.

        Raises:
            DataError: There is no row, or a number is not finite.

        Example:
            >>> Normalisation.fit(np.array([[0.0, 5.0], [2.0, 5.0]]))
            Normalisation(mean=(1.0, 5.0), deviation=(1.0, 1.0))
        """
        if not len(inputs):
            raise DataError("at least one training row is needed", where="inputs", found="none")
        others = tuple(axis for axis in range(inputs.ndim) if axis != 1)
        with np.errstate(invalid="ignore"):  # what is not finite is refused below, in words
            mean = inputs.mean(axis=others, dtype=np.float64)
            deviation = inputs.std(axis=others, dtype=np.float64)
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
            raise DataError("inputs must be finite numbers", where="inputs", found="NaN or infinity", remedy="Fill the gaps first")
        deviation = np.where(deviation > 0, deviation, 1.0)
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Raw inputs (N, channels or features, ...) -> float32 of the same shape."""
        scaled = inputs.to(torch.float32)
        if scaled is inputs:
            scaled = scaled.clone()
        if len(self.mean) == 1:
            # Python floats: a tensor of another type would promote the result, and cost more.
            return scaled.sub_(self.mean[0]).mul_(1 / self.deviation[0])
        shape = (1, -1) + (1,) * (inputs.dim() - 2)
        return scaled.sub_(torch.tensor(self.mean).view(shape)).div_(torch.tensor(self.deviation).view(shape))

    def to_dict(self) -> dict[str, list[float]]:
        """Plain data."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Normalisation:
        """What `to_dict` described."""
        return cls(tuple(map(float, data["mean"])), tuple(map(float, data["deviation"])))
