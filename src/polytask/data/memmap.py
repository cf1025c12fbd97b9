"""Arrays that lie in files, for tables that are larger than memory."""

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
"""As many rows are looked at together."""

NUMBERS_PER_BLOCK = 2**22
"""As many numbers are looked at together, where rows may be long."""


def allocate_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, on_disk: bool) -> Array:
    """An array in memory, or in a file of its own that goes when the array does.

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
    """Whether the array, or what it is a part of, lies in a file."""
    base: Any = array
    while base is not None:
        if isinstance(base, np.memmap):
            return True
        base = getattr(base, "base", None)
    return False


def take_rows(array: Array, rows: NDArray[np.int64]) -> Array:
    """These rows of an array; of one in a file another one in a file, filled piece by piece."""
    if not is_memmap(array):
        taken: Array = array[rows]
        return taken
    taken = allocate_array((len(rows), *array.shape[1:]), array.dtype, on_disk=True)
    for part in row_slices(len(rows)):
        taken[part] = array[rows[part]]
    return taken


def iter_blocks(array: Array, rows: NDArray[np.int64] | None = None, size: int | None = None) -> Iterator[Array]:
    """These rows of an array, or all, piece by piece: of so many rows, or of as many as make `NUMBERS_PER_BLOCK` numbers.

    What is made of a piece does not depend on how the array lies in memory: each is laid out row by row.

    Example:
        >>> [block.tolist() for block in iter_blocks(np.arange(6), np.array([5, 3, 1]), size=2)]
        [[5, 3], [1]]
    """
    long = max(1, int(np.prod(array.shape[1:])))
    for part in row_slices(len(array) if rows is None else len(rows), size or max(1, NUMBERS_PER_BLOCK // long)):
        yield np.ascontiguousarray(array[part] if rows is None else array[rows[part]])


def row_slices(rows: int, size: int = ROWS_PER_BLOCK) -> Iterator[slice]:
    """Slices that cover so many rows.

    Example:
        >>> list(row_slices(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
