"""Labels of any kind as keys: what two rows must agree in to count as alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
IntArray = NDArray[np.int64]
NUM_BINS = 5


def make_label_keys(labels: Mapping[str, Array], rows: int) -> IntArray:
    """(N, T) per row and task a class's code or a number's bin, the fifth of the range of ranks; −1 without label.

    Labels of tokens have no part in it.

    Args:
        labels: Per task (N,) original labels.
        rows: N.

    Example:
        >>> make_label_keys({"kind": np.array(["a", None, "b"], dtype=object), "size": np.array([2.0, 2.0, np.nan])}, rows=3).tolist()
        [[0, 0], [-1, 0], [1, -1]]
    """
    per_row = [_key_of_task(values) for values in labels.values() if values.ndim == 1]
    return np.stack(per_row, axis=1) if per_row else np.empty((rows, 0), dtype=np.int64)


def _key_of_task(labels: Array) -> IntArray:
    values = pd.Series(labels).infer_objects()
    codes, known = pd.factorize(values, sort=False)
    # Integers may be the codes of many classes; where most of them stand alone they are numbers.
    many = {"f": 2 * NUM_BINS, "i": max(2 * NUM_BINS, len(values) // 2), "u": max(2 * NUM_BINS, len(values) // 2)}
    if len(known) > many.get(values.dtype.kind, len(values)):
        return (values.rank(pct=True) * NUM_BINS).apply(np.ceil).fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray(codes, dtype=np.int64)


def stratum_ids(keys: IntArray) -> IntArray:
    """(N,) the number of each row's stratum, the rows that agree in all keys: in the order of the keys.

    Example:
        >>> stratum_ids(np.array([[1, 0], [0, 2], [1, 0], [-1, 2]])).tolist()
        [2, 1, 2, 0]
    """
    strata = np.zeros(len(keys), dtype=np.int64)
    for column in keys.T:
        different = int(column.max(initial=-1)) + 2
        # Place by place as in a number: the product stays small, since there are never more strata than rows.
        strata = np.unique(strata * different + column + 1, return_inverse=True)[1]
    return strata


def flat_key_ids(keys: IntArray) -> tuple[IntArray, int]:
    """(N, T) the (task, key) pairs numbered through all tasks, −1 for a gap; and how many numbers there are.

    Example:
        >>> flat_key_ids(np.array([[0, 1], [1, -1], [0, 0]]))
        (array([[ 0,  3],
               [ 1, -1],
               [ 0,  2]]), 4)
    """
    sizes = keys.max(axis=0, initial=-1) + 1
    first = np.cumsum(sizes) - sizes
    return np.where(keys < 0, -1, keys + first), int(sizes.sum())
