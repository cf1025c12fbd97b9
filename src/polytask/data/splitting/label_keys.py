"""Integer keys for labels of any kind; rows with equal keys belong to the same stratum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
IntArray = NDArray[np.int64]
NUM_BINS = 5
"""Number of bins of equal frequency into which numeric labels are divided."""


def make_label_keys(labels: Mapping[str, Array], rows: int) -> IntArray:
    """Return one integer key per row and task: the class code, or the quintile of a number; −1 if there is no label.

    Labels of tokens and of several numbers are ignored.

    Args:
        labels: Original labels of each task, (N,) or (N, 1); those of shape (N, L) are ignored.
        rows: Number of rows N.

    Returns:
        (N, T) keys, one column per task with one label per row.

    Example:
        >>> make_label_keys({"kind": np.array(["a", None, "b"], dtype=object), "size": np.array([2.0, 2.0, np.nan])}, rows=3).tolist()
        [[0, 0], [-1, 0], [1, -1]]
    """
    columns = [values[:, 0] if values.shape[1:] == (1,) and values.dtype.kind in "iuf" else values for values in labels.values()]
    per_row = [_key_of_task(values) for values in columns if values.ndim == 1]
    return np.stack(per_row, axis=1) if per_row else np.empty((rows, 0), dtype=np.int64)


def _key_of_task(labels: Array) -> IntArray:
    values = pd.Series(labels).infer_objects()
    codes, known = pd.factorize(values, sort=False)
    # Number of distinct values from which a dtype is binned. Integers may be codes of many classes, unless most values are unique.
    many = {"f": 2 * NUM_BINS, "i": max(2 * NUM_BINS, len(values) // 2), "u": max(2 * NUM_BINS, len(values) // 2)}
    if len(known) > many.get(values.dtype.kind, len(values)):
        return (values.rank(pct=True) * NUM_BINS).apply(np.ceil).fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray(codes, dtype=np.int64)


def stratum_ids(keys: IntArray) -> IntArray:
    """Return the stratum of each row, numbered in the lexicographic order of the keys; a stratum is all rows that agree in all keys.

    Args:
        keys: (N, T) keys from `make_label_keys`.

    Returns:
        (N,) stratum numbers from 0.

    Example:
        >>> stratum_ids(np.array([[1, 0], [0, 2], [1, 0], [-1, 2]])).tolist()
        [2, 1, 2, 0]
    """
    strata = np.zeros(len(keys), dtype=np.int64)
    for column in keys.T:
        different = int(column.max(initial=-1)) + 2
        # Mixed-radix number, renumbered after every column: it cannot overflow, since there are never more strata than rows.
        strata = np.unique(strata * different + column + 1, return_inverse=True)[1]
    return strata


def flat_key_ids(keys: IntArray) -> tuple[IntArray, int]:
    """Assign consecutive numbers to the (task, key) pairs of all tasks.

    Args:
        keys: (N, T) keys from `make_label_keys`.

    Returns:
        (N, T) number of each pair, −1 where there is no label, and how many numbers there are.

    Example:
        >>> flat_key_ids(np.array([[0, 1], [1, -1], [0, 0]]))
        (array([[ 0,  3],
               [ 1, -1],
               [ 0,  2]]), 4)
    """
    sizes = keys.max(axis=0, initial=-1) + 1
    first = np.cumsum(sizes) - sizes
    return np.where(keys < 0, -1, keys + first), int(sizes.sum())
