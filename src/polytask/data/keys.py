"""Labels of any kind as keys: what two rows must agree in to count as alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Numbers = NDArray[np.int64]
BINS = 5


def keys_of(labels: Mapping[str, Array], rows: int) -> Numbers:
    """(N, T) per row and task a class's code or a number's bin, the fifth of the range of ranks; −1 without label.

    Labels of tokens have no part in it.

    Args:
        labels: Per task (N,) original labels.
        rows: N.

    Example:
        >>> keys_of({"kind": np.array(["a", None, "b"], dtype=object), "size": np.array([2.0, 2.0, np.nan])}, rows=3).tolist()
        [[0, 0], [-1, 0], [1, -1]]
    """
    per_row = [_key(values) for values in labels.values() if values.ndim == 1]
    return np.stack(per_row, axis=1) if per_row else np.empty((rows, 0), dtype=np.int64)


def _key(labels: Array) -> Numbers:
    values = pd.Series(labels).infer_objects()
    codes, known = pd.factorize(values, sort=False)
    # Integers may be the codes of many classes; where most of them stand alone they are numbers.
    many = {"f": 2 * BINS, "i": max(2 * BINS, len(values) // 2), "u": max(2 * BINS, len(values) // 2)}
    if len(known) > many.get(values.dtype.kind, len(values)):
        return (values.rank(pct=True) * BINS).apply(np.ceil).fillna(-1).to_numpy(dtype=np.int64)
    return np.asarray(codes, dtype=np.int64)


def strata_of(keys: Numbers) -> Numbers:
    """(N,) the number of each row's stratum, the rows that agree in all keys: in the order of the keys.

    Example:
        >>> strata_of(np.array([[1, 0], [0, 2], [1, 0], [-1, 2]])).tolist()
        [2, 1, 2, 0]
    """
    strata = np.zeros(len(keys), dtype=np.int64)
    for column in keys.T:
        different = int(column.max(initial=-1)) + 2
        # Place by place as in a number: the product stays small, since there are never more strata than rows.
        strata = np.unique(strata * different + column + 1, return_inverse=True)[1]
    return strata


def labels_of(keys: Numbers) -> tuple[Numbers, int]:
    """(N, T) the (task, key) pairs numbered through all tasks, −1 for a gap; and how many numbers there are.

    Example:
        >>> labels_of(np.array([[0, 1], [1, -1], [0, 0]]))
        (array([[ 0,  3],
               [ 1, -1],
               [ 0,  2]]), 4)
    """
    sizes = keys.max(axis=0, initial=-1) + 1
    first = np.cumsum(sizes) - sizes
    return np.where(keys < 0, -1, keys + first), int(sizes.sum())
