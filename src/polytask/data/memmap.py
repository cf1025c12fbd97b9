"""Memory-mapped arrays for tables that are larger than memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

ROWS_PER_BLOCK = 65_536
"""Number of rows processed at a time."""

NUMBERS_PER_BLOCK = 2**22
"""Number of array elements processed at a time, for rows that may be long."""


def allocate_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, on_disk: bool) -> Array:
    """Allocate an uninitialized array in memory, or in a temporary file that is deleted together with the array.

    Args:
        shape: Shape of the array.
        dtype: Data type of the array.
        on_disk: Whether to memory-map a temporary file; ignored for empty arrays.

    Example:
        >>> array = allocate_array((2, 3), on_disk=True)
        >>> is_memmap(array), is_memmap(array[1:]), is_memmap(allocate_array((2, 3), on_disk=False))
        (True, True, False)
    """
    if not on_disk or 0 in shape:
        return np.empty(shape, dtype=dtype)
    with tempfile.NamedTemporaryFile(prefix="polytask-", suffix=".rows", delete=False) as file:
        path = Path(file.name)
    array: Array = np.memmap(path, dtype=dtype, mode="w+", shape=shape)
    weakref.finalize(array, path.unlink, missing_ok=True)
    return array


def is_memmap(array: Array) -> bool:
    """Return whether the array, or an array of which it is a view, is memory-mapped."""
    base: Any = array
    while base is not None:
        if isinstance(base, np.memmap):
            return True
        base = getattr(base, "base", None)
    return False


def take_rows(array: Array, rows: NDArray[np.int64]) -> Array:
    """Return a copy of the given rows of an array; for a memory-mapped array it is memory-mapped too and filled in blocks."""
    if not is_memmap(array):
        taken: Array = array[rows]
        return taken
    taken = allocate_array((len(rows), *array.shape[1:]), array.dtype, on_disk=True)
    for part in row_slices(len(rows)):
        taken[part] = array[rows[part]]
    return taken


def iter_blocks(array: Array, rows: NDArray[np.int64] | None = None, size: int | None = None) -> Iterator[Array]:
    """Yield rows of an array in blocks.

    Every block is in C order, so results computed from it do not depend on the memory layout of the array.

    Args:
        array: Array to read.
        rows: Numbers of the rows to yield, in this order; `None` yields all rows.
        size: Number of rows per block; by default as many as hold `NUMBERS_PER_BLOCK` elements, at least one.

    Example:
        >>> [block.tolist() for block in iter_blocks(np.arange(6), np.array([5, 3, 1]), size=2)]
        [[5, 3], [1]]
    """
    long = max(1, int(np.prod(array.shape[1:])))
    for part in row_slices(len(array) if rows is None else len(rows), size or max(1, NUMBERS_PER_BLOCK // long)):
        yield np.ascontiguousarray(array[part] if rows is None else array[rows[part]])


def row_slices(rows: int, size: int = ROWS_PER_BLOCK) -> Iterator[slice]:
    """Return consecutive slices that cover `rows` rows, each of `size` rows except perhaps the last.

    Example:
        >>> list(row_slices(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
