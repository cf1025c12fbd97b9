"""Arrays that lie in files, for tables that are larger than memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 65_536
"""As many rows are looked at together."""


def new_array(shape: tuple[int, ...], *, filed: bool) -> NDArray[np.float32]:
    """An array of float32 in memory, or in a file of its own that goes when the array does.

    Example:
        >>> array = new_array((2, 3), filed=True)
        >>> is_filed(array), is_filed(array[1:]), is_filed(new_array((2, 3), filed=False))
        (True, True, False)
    """
    if not filed or 0 in shape:
        return np.empty(shape, dtype=np.float32)
    with tempfile.NamedTemporaryFile(prefix="polytask-", suffix=".rows", delete=False) as file:
        path = Path(file.name)
    array = np.memmap(path, dtype=np.float32, mode="w+", shape=shape)
    weakref.finalize(array, path.unlink, missing_ok=True)
    return array


def is_filed(array: Array) -> bool:
    """Whether the array, or what it is a part of, lies in a file."""
    base: Any = array
    while base is not None:
        if isinstance(base, np.memmap):
            return True
        base = getattr(base, "base", None)
    return False


def take_rows(array: Array, rows: NDArray[np.int64]) -> Array:
    """These rows of an array; of one in a file another one in a file, filled piece by piece."""
    if not is_filed(array):
        taken: Array = array[rows]
        return taken
    taken = new_array((len(rows), *array.shape[1:]), filed=True)
    for part in pieces(len(rows)):
        taken[part] = array[rows[part]]
    return taken


def pieces(rows: int, size: int = ROWS) -> Iterator[slice]:
    """Slices that cover so many rows.

    Example:
        >>> list(pieces(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
