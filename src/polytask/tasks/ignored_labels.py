"""Labels that mark a missing label, such as −100 or 255 (`ignore_index`)."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError

Array = NDArray[Any]
LARGEST_EXACT = 2**53
"""Largest absolute value up to which float64 holds every integer."""


def mask_ignored(labels: Array, ignored: float | str | bool | None) -> Array:
    """Return the labels with those that equal the ignored one missing: NaN among numbers, `None` among other labels.

    Labels are compared as in Python (1 == 1.0 == True), and text labels with the text of the ignored one too. Integers become float64,
    as in a table with empty cells, unless float64 would round one. Labels none of which is ignored are returned unchanged.

    Args:
        labels: Original labels, of any shape.
        ignored: Label that means that there is none; `None` if there is no such label.

    Example:
        >>> mask_ignored(np.array([0, 2, -100]), -100).tolist(), mask_ignored(np.array(["a", "?"]), "?").tolist()
        ([0.0, 2.0, nan], ['a', None])
    """
    given = np.asarray(labels)
    if ignored is None:
        return given
    if given.dtype.kind in "iuf" and isinstance(ignored, Number):
        same = np.asarray(given == ignored)
    else:
        needles = pd.Index(list(dict.fromkeys([ignored, str(ignored)])), dtype=object)
        same = np.asarray(needles.get_indexer(pd.Index(given.ravel(), dtype=object)) >= 0).reshape(given.shape)
    if not same.any():
        return given
    if given.dtype.kind == "f":
        return np.where(same, np.nan, given)
    if given.dtype.kind in "iu" and int(given.min()) >= -LARGEST_EXACT and int(given.max()) <= LARGEST_EXACT:
        return np.where(same, np.nan, given.astype(np.float64))
    found = given.astype(object)
    found[same] = None
    return found


def check_ignore_index(where: str, ignored: object, classes: tuple[Any, ...] = ()) -> None:
    """Check that the label that marks a missing one is a plain value and none of the classes.

    Args:
        where: Option in error messages.
        ignored: Label that means that there is none; `None` if there is no such label.
        classes: Classes of the task, as far as they are known.

    Raises:
        ConfigError: It is a class, NaN, or a collection.

    Example:
        >>> check_ignore_index("task 'slots', ignore_index", 0, (0, 1))
        Traceback (most recent call last):
        polytask.errors.ConfigError: task 'slots', ignore_index: the ignored label must be none of the classes (found 0). ...
    """
    if ignored is None:
        return
    if not isinstance(ignored, str | bool | int | float | np.generic) or ignored != ignored:
        remedy = "Give one label, such as -100; NaN and None mean a missing label already"
        raise ConfigError("the ignored label must be a number or a text", where=where, found=repr(ignored), remedy=remedy)
    if ignored in classes:
        remedy = "Leave it out of classes, or leave ignore_index out"
        raise ConfigError("the ignored label must be none of the classes", where=where, found=repr(ignored), remedy=remedy)
