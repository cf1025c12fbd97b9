"""Arrays in files, by which the process of a training function gets its rows and gives back its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS_PER_BLOCK = 4_096
LEAST_BYTES = 2**16
"""Smaller arrays are sent with the call."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file of NumPy's format.

    Attributes:
        path: Path of the file.
    """

    path: Path

    def opened(self) -> Array:
        """Return the array, mapped from the file; writing to it does not change the file."""
        array: Array = np.load(self.path, mmap_mode="c", allow_pickle=False)
        return array


def store_rows(array: Array, rows: NDArray[np.int64] | None, path: Path) -> Array | StoredArray:
    """Return rows of an array: stored in a file, block by block, or copied if they are few or objects.

    Args:
        array: Array (N, ...), possibly mapped from a file.
        rows: Numbers of the rows; `None` takes all rows.
        path: File to write.
    """
    count = len(array) if rows is None else len(rows)
    shape = (count, *array.shape[1:])
    if array.dtype == object or array.dtype.itemsize * int(np.prod(shape)) < LEAST_BYTES:
        return np.array(array if rows is None else array[rows])
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype, shape=shape)
    for start in range(0, count, ROWS_PER_BLOCK):
        part = slice(start, min(start + ROWS_PER_BLOCK, count))
        stored[part] = array[part] if rows is None else array[rows[part]]
    stored.flush()
    return StoredArray(path)


def opened(value: Any) -> Any:  # noqa: ANN401 - arrays in any nesting of mappings
    """Return arrays in any nesting of mappings, with those in files mapped."""
    if isinstance(value, Mapping):
        return {name: opened(entry) for name, entry in value.items()}
    return value.opened() if isinstance(value, StoredArray) else value
