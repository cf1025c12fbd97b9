"""Numeric labels and their standardization, shared by all task kinds with numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import Targets, has_label

Array = NDArray[Any]


def labels_as_floats(task: str, labels: Array) -> NDArray[np.float64]:
    """Return labels as numbers (N,), 0 where there is no label.

    Raises:
        DataError: A label is not a number or is infinite; the message names the row.

    Example:
        >>> labels_as_floats("price", np.array([2, None, "3.5"], dtype=object)).tolist()
        [2.0, 0.0, 3.5]
    """
    given = np.asarray(labels)
    if given.dtype.kind in "SUT":
        given = given.astype(object)  # NumPy has no common type of strings and numbers
    labeled = has_label(given)
    try:
        numbers = np.where(labeled, given, 0.0).astype(np.float64)
    except (TypeError, ValueError):
        row = next((row for row in np.flatnonzero(labeled) if not _is_number(given[row])), int(labeled.argmax()))
        raise DataError("a label is not a number", where=f"task {task!r}, row {row + 1}", found=repr(given[row])) from None
    infinite = np.flatnonzero(~np.isfinite(numbers))
    if len(infinite):
        raise DataError("a label is infinite", where=f"task {task!r}, row {infinite[0] + 1}", found=numbers[infinite[0]])
    return numbers


def reject_rows(task: str, wrong: NDArray[np.bool_], numbers: NDArray[np.float64], what: str) -> None:
    """Raise an error that names the first invalid row, if there is one.

    Args:
        task: Name of the task, for the error message.
        wrong: Mask (N,) of invalid rows.
        numbers: Labels (N,), for the error message.
        what: What is expected of a label.

    Raises:
        DataError: There is an invalid row.
    """
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise DataError(what, where=f"task {task!r}, row {rows[0] + 1}", found=f"{numbers[rows[0]]:g}")


def check_standardization(task: str, mean: float, deviation: float) -> None:
    """Check the mean and the standard deviation by which labels are standardized.

    Raises:
        ConfigError: The mean is not finite, or the deviation is not a finite number above 0.
    """
    if not (np.isfinite(mean) and 0 < deviation < np.inf):
        found = f"mean {mean}, deviation {deviation}"
        raise ConfigError("a finite mean and a deviation above 0 are needed", where=f"task {task!r}", found=found)


def mean_and_deviation(task: str, labels: Array) -> tuple[float, float]:
    """Return the mean and the standard deviation of labels, ignoring missing ones.

    Raises:
        DataError: There is no label, all labels are the same, or a label is not a finite number.

    Example:
        >>> mean_and_deviation("price", np.array([1.0, 3.0, np.nan]))
        (2.0, 1.0)
    """
    numbers = labels_as_floats(task, labels)[has_label(labels)]
    # The deviation does not show whether all labels are the same: that of three times 0.1 is 1.4e-17.
    if not len(numbers) or numbers.min() == numbers.max():
        found = f"{len(numbers)} labels" + (f", all {numbers[0]:g}" if len(numbers) else "")
        raise DataError("at least two different labels (classes or values) are needed", where=f"task {task!r}", found=found)
    with np.errstate(over="ignore"):  # `check_standardization` rejects an infinite deviation
        return float(numbers.mean()), float(numbers.std())


def standardize(task: str, labels: Array, mean: float, deviation: float) -> Targets:
    """Return labels standardized as (label − mean) / deviation, float32.

    Raises:
        DataError: A label is not a number, is infinite, or exceeds the range of float32 in units of the deviation.

    Example:
        >>> standardize("price", np.array([4.0]), mean=2.0, deviation=1.0).values
        array([2.], dtype=float32)
    """
    labeled = has_label(labels)
    numbers = labels_as_floats(task, labels)
    with np.errstate(over="ignore"):  # overflow raises an error below
        scaled = np.where(labeled, (numbers - mean) / deviation, 0.0).astype(np.float32)
    beyond = np.flatnonzero(np.isinf(scaled))
    if len(beyond):
        found = f"{numbers[beyond[0]]:g}, with mean {mean:g} and deviation {deviation:g} in training"
        raise DataError("a label is too far from the training labels", where=f"task {task!r}, row {beyond[0] + 1}", found=found)
    return Targets(scaled, labeled)


def _is_number(label: object) -> bool:
    try:
        float(label)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
