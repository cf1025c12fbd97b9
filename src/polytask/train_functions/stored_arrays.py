"""Arrays in files, by which the process of a training function gets its rows and gives back its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.data.input_entries import Inputs, RowReader, map_entries, named_entries
from polytask.data.memmap import row_slices

Array = NDArray[Any]

ROWS_PER_BLOCK = 4_096
ROWS_PER_READ = 256
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


def store_inputs(inputs: Inputs, rows: NDArray[np.int64] | None, path: Path) -> Any:  # noqa: ANN401 - an array, one in a file, or a dict of such
    """Return rows of inputs of any form: stored in files, or copied; rows that are read when they are needed are read here.

    Args:
        inputs: Array, arrays by the names of entries, or a reader of rows.
        rows: Numbers of the rows; `None` takes all rows.
        path: File to write; further entries get a number before its suffix.
    """
    if isinstance(inputs, RowReader):
        return _store_read_rows(inputs, np.arange(len(inputs)) if rows is None else rows, path)
    files = _files(inputs, path)
    return map_entries(lambda entry: store_rows(entry, rows, next(files)), inputs)


def _store_read_rows(reader: RowReader, rows: NDArray[np.int64], path: Path) -> Any:  # noqa: ANN401 - as above
    files = [
        (file, _created(file, example, len(rows)))
        for file, (_, example) in zip(_files(reader.example, path), named_entries(reader.example), strict=True)
    ]
    for part in row_slices(len(rows), ROWS_PER_READ):
        for (_, stored), (_, values) in zip(files, named_entries(reader.read(rows[part])), strict=True):
            stored[part] = values
    done = iter([StoredArray(file) for file, _ in files])
    return map_entries(lambda _: next(done), reader.example)


def _files(inputs: Inputs, path: Path) -> Iterator[Path]:
    """Return the file of each entry."""
    return (path.with_suffix(f".{number}{path.suffix}") if number else path for number in range(len(named_entries(inputs))))


def _created(path: Path, example: Array, rows: int) -> np.memmap[Any, Any]:
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=example.dtype, shape=(rows, *example.shape[1:]))
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
    stored = _created(path, array, count)
    for part in row_slices(count, ROWS_PER_BLOCK):
        stored[part] = array[part] if rows is None else array[rows[part]]
    stored.flush()
    return StoredArray(path)


def opened(value: Any) -> Any:  # noqa: ANN401 - arrays in any nesting of mappings
    """Return arrays in any nesting of mappings, with those in files mapped."""
    if isinstance(value, Mapping):
        return {name: opened(entry) for name, entry in value.items()}
    return value.opened() if isinstance(value, StoredArray) else value
