"""Reading of targets and predictions from tables of predictions, shared by the task kinds."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError

Array = NDArray[Any]
Floats = NDArray[np.float64]
BOTH = ("target", "prediction")


def numbers_in(column: pd.Series[Any]) -> Floats:
    """Return the column as numbers, parsing strings, with NaN where an entry is not a number.

    Example:
        >>> numbers_in(pd.Series(["1.5", "x"])).tolist()
        [1.5, nan]
    """
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)


def finite_numbers(task: str, column: pd.Series[Any]) -> Floats:
    """Return the column as numbers, all of which must be finite.

    Raises:
        DataError: An entry is not a number, or not finite.
    """
    values = numbers_in(column)
    bad = ~np.isfinite(values)
    if bad.any():
        found = f"{column.iloc[int(bad.argmax())]!r}, {int(bad.sum())} in all"
        where, remedy = (
            f"predictions, task {task}, column {str(column.name)!r}",
            "Write numbers, or say the kind of a task with classes",
        )
        raise DataError("only finite numbers can be compared", where=where, found=found, remedy=remedy)
    return values


def class_codes(task: str, frame: pd.DataFrame) -> tuple[Array, Array]:
    """Return codes of targets and predictions over the sorted labels of both columns.

    Labels are compared as numbers if both columns hold only numbers, and otherwise as strings ("1" is not "01").

    Raises:
        DataError: No prediction is equal to any target label.
    """
    columns = [frame[column] for column in BOTH]
    if not _all_numbers(*columns):
        columns = [column.map(str) for column in columns]
    # As objects, numbers compare as in Python: 3 equals 3.0, and no integer is rounded.
    codes, _ = pd.factorize(np.concatenate([column.to_numpy(dtype=object) for column in columns]), sort=True)
    actual, guessed = codes[: len(frame)], codes[len(frame) :]
    if not np.isin(guessed, actual).any():
        found = f"target {frame['target'].iloc[0]!r}, prediction {frame['prediction'].iloc[0]!r}"
        remedy = "Write labels in the same way in both columns"
        raise DataError("predictions must contain some of the target labels", where=f"predictions, task {task}", found=found, remedy=remedy)
    return actual, guessed


def codes_in_order(task: str, frame: pd.DataFrame, classes: Sequence[Any]) -> tuple[Array, Array]:
    """Return codes of targets and predictions in the order of the classes.

    Labels are compared as numbers if all labels and classes are numbers, and otherwise as strings.

    Raises:
        ConfigError: A class is repeated.
        DataError: A label is none of the classes.
    """
    columns, known = [frame[column] for column in BOTH], pd.Series(list(classes), dtype=object)
    if not _all_numbers(*columns, known):
        columns, known = [column.map(str) for column in columns], known.map(str)
    if known.duplicated().any():
        raise ConfigError("classes must be unique", where=f"classes[{task!r}]", found=tuple(classes))
    index, codes = pd.Index(known, dtype=object), []
    for name, column in zip(BOTH, columns, strict=True):
        codes.append(index.get_indexer(pd.Index(column, dtype=object)))
        if (codes[-1] < 0).any():
            found, where = repr(column.iloc[int((codes[-1] < 0).argmax())]), f"predictions, task {task}, column {name!r}"
            remedy = f"Known classes: {', '.join(map(str, classes))}"
            raise DataError("every label must be one of the classes", where=where, found=found, remedy=remedy)
    return codes[0], codes[1]


def texts_in(column: pd.Series[Any]) -> Array:
    """Return the column unchanged, as objects."""
    return column.to_numpy(dtype=object)


def _all_numbers(*columns: pd.Series[Any]) -> bool:
    return all(isinstance(value, Number) for column in columns for value in column.unique().tolist())
