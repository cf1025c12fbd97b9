"""Normalization of inputs with statistics of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data.memmap import ROWS_PER_BLOCK, iter_blocks
from polytask.data.source import Source
from polytask.data.splitting.label_keys import IntArray
from polytask.errors import DataError

# Data types with values that float32 may round; they are normalized in float64.
_WIDE_DTYPES = (torch.float64, torch.int64, torch.int32)


@dataclass(frozen=True)
class Normalization:
    """Normalization x' = (x − mean) / deviation per channel or feature.

    Channels are on the second axis of images (N, channels, height, width), and on the last one of sequences (N, steps, channels), whose
    missing numbers, NaN, are ignored. Statistics come from the training rows of one source. Images stay uint8 in memory and are
    normalized batch by batch.

    Attributes:
        mean: Mean of each channel (images) or feature (vectors), in the units of the raw inputs; empty if inputs are codes, which are
            left unchanged.
        deviation: Standard deviation of each channel or feature, in the same units; 1 where the training rows are constant.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, source: Source, rows: IntArray | None = None) -> Normalization:
        """Compute the normalization of a source.

        With a preprocessor, only the columns that it declares numeric are normalized, and missing values are ignored. Without one, all
        inputs are normalized.

        Args:
            source: Source of the inputs.
            rows: Numbers of the training rows; `None` uses all rows.

        Raises:
            DataError: There is no row or no feature, or a number is not finite.
        """
        if source.preprocessor is None:
            return cls.fit(source.inputs, rows)
        numbers = source.preprocessor.numeric_columns(source.inputs)
        if numbers is None:
            return cls((), ())
        mean, deviation = np.zeros(source.inputs.shape[1]), np.ones(source.inputs.shape[1])
        places = list(numbers)
        mean[places], deviation[places] = _statistics_of_columns(source.inputs, places, rows)
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    @classmethod
    def fit(cls, inputs: NDArray[Any], rows: IntArray | None = None) -> Normalization:
        """Compute the normalization of an array, in blocks and without copying the whole array.

        Args:
            inputs: Array of shape (N, channels, height, width), (N, steps, channels) or (N, features).
            rows: Numbers of the training rows; `None` uses all rows.

        Raises:
            DataError: There is no row or no feature, or a number is not finite.

        Example:
            >>> Normalization.fit(np.array([[0.0, 5.0], [2.0, 5.0]]))
            Normalization(mean=(1.0, 5.0), deviation=(1.0, 1.0))
        """
        if not (len(inputs) if rows is None else len(rows)):
            raise DataError("at least one training row is needed", where="inputs", found="none")
        if inputs.ndim < 2 or inputs.dtype.kind not in "buif":
            found = f"{inputs.dtype} of shape {inputs.shape}"
            what = "inputs must be numbers, one row per input: (N, features), (N, steps, channels) or (N, channels, ...)"
            raise DataError(what, where="inputs", found=found)
        if inputs.ndim == 3:
            return cls._of_sequences(inputs, rows)
        with np.errstate(invalid="ignore"):  # non-finite results raise an error below
            mean, deviation, constant = _statistics_of_all(inputs, rows)
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
            raise DataError("inputs must be finite numbers", where="inputs", found="NaN or infinity", remedy="Fill the gaps first")
        # A zero deviation does not suffice to detect constants: rounding makes that of [0.1, 0.1, 0.1] 1.4e-17.
        deviation = np.where(constant | (deviation == 0), 1.0, deviation)
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    @classmethod
    def _of_sequences(cls, inputs: NDArray[Any], rows: IntArray | None) -> Normalization:
        """Compute the normalization of sequences (N, steps, channels), ignoring NaN.

        Raises:
            DataError: A number is infinite.
        """
        with np.errstate(invalid="ignore"):  # infinite results raise an error below
            mean, deviation = _statistics_of_columns(inputs, list(range(inputs.shape[2])), rows)
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
            raise DataError("inputs must be finite numbers", where="inputs", found="infinity", remedy="Write NaN for missing values")
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Normalize raw inputs, as in `fit`, to float32 of the same shape; codes are returned unchanged, and NaN stays NaN."""
        if not self.mean:
            return inputs
        # Values that float32 would round, such as a time in seconds, are normalized before they are cast.
        exact = torch.float64 if inputs.dtype in _WIDE_DTYPES else torch.float32
        scaled = inputs.to(exact, copy=True)
        if len(self.mean) == 1:
            # Python floats: a tensor of another dtype would promote the result and be slower.
            return scaled.sub_(self.mean[0]).mul_(1 / self.deviation[0]).float()
        shape = (1, 1, -1) if inputs.dim() == 3 else (1, -1) + (1,) * (inputs.dim() - 2)
        mean, deviation = (torch.tensor(values, dtype=exact).view(shape) for values in (self.mean, self.deviation))
        return scaled.sub_(mean).div_(deviation).float()

    def to_dict(self) -> dict[str, list[float]]:
        """Return the normalization as JSON-compatible data."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Normalization:
        """Create the normalization from the output of `to_dict`."""
        return cls(tuple(map(float, data["mean"])), tuple(map(float, data["deviation"])))


Vector = NDArray[np.float64]


def _statistics_of_all(inputs: NDArray[Any], rows: IntArray | None) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """Return mean, standard deviation, and whether all values are equal, for each channel or feature, in two passes over blocks.

    If there is only one block, the results equal NumPy's `mean` and `std` bit for bit.
    """
    others = tuple(axis for axis in range(inputs.ndim) if axis != 1)
    count = (len(inputs) if rows is None else len(rows)) * int(np.prod(inputs.shape[2:]))
    width = inputs.shape[1]
    total, least, most = np.zeros(width), np.full(width, np.inf), np.full(width, -np.inf)
    for block in iter_blocks(inputs, rows):
        total += block.sum(axis=others, dtype=np.float64)
        least, most = np.minimum(least, block.min(axis=others)), np.maximum(most, block.max(axis=others))
    mean = total / count
    center = mean.reshape(1, -1, *(1,) * (inputs.ndim - 2))
    squares = np.zeros(width)
    for block in iter_blocks(inputs, rows):
        away = block - center
        squares += np.multiply(away, away, out=away).sum(axis=others)
    return mean, np.sqrt(squares / count), least == most


def _statistics_of_columns(inputs: NDArray[Any], places: list[int], rows: IntArray | None) -> tuple[Vector, Vector]:
    """Return mean and standard deviation of columns, ignoring missing values, in one pass over blocks of possibly memory-mapped inputs.

    The columns of sequences (N, steps, channels) are their channels: each step is a row.

    Two sets with counts n and m, means a and b, and sums of squared deviations P and Q have the joint mean a + (b − a) m / (n + m)
    and the joint sum P + Q + (b − a)² n m / (n + m) (Chan, Golub & LeVeque, 1979).
    """
    count, mean, squares = np.zeros(len(places)), np.zeros(len(places)), np.zeros(len(places))
    least, most = np.full(len(places), np.inf), np.full(len(places), -np.inf)
    width = inputs.shape[-1]
    for block in iter_blocks(inputs, rows, ROWS_PER_BLOCK if inputs.ndim == 2 else None):
        flat = block.reshape(-1, width)
        values = (flat[:, places] if len(places) < width else flat).astype(np.float64)
        there = ~np.isnan(values)
        number = there.sum(axis=0)
        own = np.divide(np.where(there, values, 0.0).sum(axis=0), number, out=np.zeros(len(places)), where=number > 0)
        both, step = np.maximum(count + number, 1), own - mean
        squares += np.where(there, (values - own) ** 2, 0.0).sum(axis=0) + step**2 * count * number / both
        mean, count = mean + step * number / both, count + number
        least = np.minimum(least, np.where(there, values, np.inf).min(axis=0, initial=np.inf))
        most = np.maximum(most, np.where(there, values, -np.inf).max(axis=0, initial=-np.inf))
    deviation = np.sqrt(squares / np.maximum(count, 1))
    # A zero deviation does not suffice to detect constants: rounding makes that of [0.1, 0.1, 0.1] 1.4e-17.
    return mean, np.where((least >= most) | (deviation == 0), 1.0, deviation)
