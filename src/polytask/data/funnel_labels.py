"""Labels of tasks that happen one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError

Array = NDArray[Any]


def conditional_labels(labels: Array, condition: Array, *, positive: object = 1) -> Array:
    """Labels where the condition is met, and none elsewhere: "bought, given clicked".

    Args:
        labels: (N,) None or NaN where a row has none.
        condition: (N,) labels of the task that comes before; None or NaN where a row has none.
        positive: The condition's label where it is met.

    Example:
        >>> conditional_labels(np.array([1, 0, 0]), np.array([1, 1, 0])).tolist()
        [1, 0, None]
    """
    _check_lengths(labels, condition)
    found = np.asarray(labels, dtype=object).copy()
    found[np.asarray(condition, dtype=object) != positive] = None
    return found


def entire_space_labels(labels: Array, condition: Array, *, positive: object = 1, negative: object = 0) -> Array:
    """Return labels of the whole space: `negative` where the condition is not met, the label where it is, none where that is unknown.

    Args:
        labels: (N,) None or NaN where a row has none.
        condition: (N,) labels of the task that comes before; None or NaN where a row has none.
        positive: The condition's label where it is met.
        negative: The label of what cannot have happened.

    Example:
        >>> entire_space_labels(np.array([1, None, None, 1]), np.array([1, 1, 0, None])).tolist()
        [1, None, 0, None]
    """
    _check_lengths(labels, condition)
    before = np.asarray(condition, dtype=object)
    unknown = np.array([value is None or value != value for value in before], dtype=np.bool_)
    found = np.asarray(labels, dtype=object).copy()
    found[before != positive] = negative
    found[unknown] = None
    return found


def _check_lengths(labels: Array, condition: Array) -> None:
    if np.shape(labels) != np.shape(condition):
        found = f"{np.shape(labels)} and {np.shape(condition)}"
        raise DataError("labels and their condition belong to the same rows", where="labels, condition", found=found)
