"""Labels of tasks that depend on each other in a funnel, such as click and purchase."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError

Array = NDArray[Any]


def conditional_labels(labels: Array, condition: Array, *, positive: object = 1) -> Array:
    """Return labels restricted to rows that meet a condition, such as "bought, given clicked"; other rows get no label.

    Args:
        labels: (N,) labels; None or NaN where a row has none.
        condition: (N,) labels of the preceding task; None or NaN where a row has none.
        positive: Label of the preceding task that meets the condition.

    Returns:
        (N,) labels; None where the condition is not met or unknown.

    Raises:
        DataError: `labels` and `condition` differ in shape.

    Example:
        >>> conditional_labels(np.array([1, 0, 0]), np.array([1, 1, 0])).tolist()
        [1, 0, None]
    """
    _check_lengths(labels, condition)
    found = np.asarray(labels, dtype=object).copy()
    found[np.asarray(condition, dtype=object) != positive] = None
    return found


def entire_space_labels(labels: Array, condition: Array, *, positive: object = 1, negative: object = 0) -> Array:
    """Return labels over the entire space: `negative` where the condition is not met, and the label where it is.

    Args:
        labels: (N,) labels; None or NaN where a row has none.
        condition: (N,) labels of the preceding task; None or NaN where a row has none.
        positive: Label of the preceding task that meets the condition.
        negative: Label for rows that do not meet the condition.

    Returns:
        (N,) labels; None where the condition is unknown.

    Raises:
        DataError: `labels` and `condition` differ in shape.

    Example:
        >>> entire_space_labels(np.array([1, None, None, 1]), np.array([1, 1, 0, None])).tolist()
        [1, None, 0, None]
    """
    _check_lengths(labels, condition)
    before = np.asarray(condition, dtype=object)
    # NaN and NaT are the only values that differ from themselves.
    unknown = np.array([value is None or value != value for value in before], dtype=np.bool_)
    found = np.asarray(labels, dtype=object).copy()
    found[before != positive] = negative
    found[unknown] = None
    return found


def _check_lengths(labels: Array, condition: Array) -> None:
    if np.shape(labels) != np.shape(condition):
        found = f"{np.shape(labels)} and {np.shape(condition)}"
        raise DataError("labels and condition must have the same shape", where="labels, condition", found=found)
