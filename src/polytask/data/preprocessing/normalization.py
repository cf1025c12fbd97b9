"""Normalization of inputs with statistics of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data.input_entries import Inputs, RowReader, is_code, map_entries
from polytask.data.loading.load_inputs import load_ahead
from polytask.data.memmap import ROWS_PER_BLOCK, iter_blocks
from polytask.data.source import Source
from polytask.data.splitting.label_keys import IntArray
from polytask.devices import CPU, NO_FLOAT64
from polytask.errors import DataError, error_location

# Data types with values that float32 may round; they are normalized in float64.
_WIDE_DTYPES = (torch.float64, torch.int64, torch.int32)


MOST_READ_ROWS = 2_048
"""Number of rows whose statistics are used, if every row has to be read from a data set."""


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
        entries: Normalization of each entry by its name, if inputs are several arrays; mean and deviation are then empty.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    entries: Mapping[str, Normalization] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def of(cls, source: Source, rows: IntArray | None = None) -> Normalization:
        """Compute the normalization of a source.

        Entries of a dict are normalized each by itself, except for codes. With a preprocessor, only the columns that it declares numeric
        are normalized, and missing values are ignored. Without one, all inputs are normalized. Of inputs that are read when they are
        needed, statistics come from at most `MOST_READ_ROWS` evenly spaced rows.

        Args:
            source: Source of the inputs.
            rows: Numbers of the training rows; `None` uses all rows.

        Raises:
            DataError: There is no row or no feature, or a number is not finite.
        """
        if isinstance(source.inputs, RowReader):
            chosen = np.arange(len(source)) if rows is None else np.asarray(rows)
            step = -(-len(chosen) // MOST_READ_ROWS) or 1
            (read,) = load_ahead(source.inputs, [chosen[::step]], source.loader_workers, f"source {source.name!r}")
            source, rows = Source(source.name, map_entries(Tensor.numpy, read), {}), None
        if source.has_entries:
            return cls(
                (),
                (),
                {name: cls._of_entry(entry, rows, f"source {source.name!r}, entry {name!r}") for name, entry in source.inputs.items()},
            )
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
    def _of_entry(cls, entry: NDArray[Any], rows: IntArray | None, where: str) -> Normalization:
        if is_code(entry):
            return cls((), ())
        with error_location(where):
            return cls.fit(entry, rows)

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

    def __call__(self, inputs: Inputs) -> Inputs:
        """Normalize raw inputs, as in `fit`, to float32 of the same shape; codes are returned unchanged, and NaN stays NaN.

        Args:
            inputs: Tensor, or a dict of tensors if there are `entries`.
        """
        if self.entries:
            return {name: own(inputs[name]) for name, own in self.entries.items()}
        return self._normalized(inputs)

    def _normalized(self, inputs: Tensor) -> Tensor:
        if not self.mean:
            return inputs
        # Values that float32 would round, such as a time in seconds, are normalized before they are cast.
        exact = torch.float64 if inputs.dtype in _WIDE_DTYPES and inputs.device.type not in NO_FLOAT64 else torch.float32
        scaled = inputs.to(exact, copy=True)
        if len(self.mean) == 1:
            # Python floats: a tensor of another dtype would promote the result and be slower.
            return scaled.sub_(self.mean[0]).mul_(1 / self.deviation[0]).float()
        shape = (1, 1, -1) if inputs.dim() == 3 else (1, -1) + (1,) * (inputs.dim() - 2)
        make = torch.tensor if inputs.device == CPU else _constants_on
        mean, deviation = (make(values, dtype=exact, device=inputs.device).view(shape) for values in (self.mean, self.deviation))
        return scaled.sub_(mean).div_(deviation).float()

    def to_dict(self) -> dict[str, Any]:
        """Return the normalization as JSON-compatible data."""
        if self.entries:
            return {"entries": {name: own.to_dict() for name, own in self.entries.items()}}
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Normalization:
        """Create the normalization from the output of `to_dict`."""
        if "entries" in data:
            return cls((), (), {name: cls.from_dict(own) for name, own in data["entries"].items()})
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


@lru_cache
def _constants_on(values: tuple[float, ...], *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers as a tensor on an accelerator, which are copied there once and not at every step."""
    return torch.tensor(values, dtype=dtype).to(device)
