"""Rows of numbers as table entries: one number is kept as a number, several become one string."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import DataError
from polytask.tasks.base import has_label
from polytask.tasks.numeric_labels import labels_as_floats

Array = NDArray[Any]
Floats = NDArray[np.float64]


def write_rows(rows: Floats) -> Array:
    """Return rows (N, 1) as numbers (N,), and rows (N, k) as one string of k numbers per row (N,).

    Example:
        >>> write_rows(np.array([[0.5], [2.0]])).tolist(), write_rows(np.array([[0.5, 2.0]])).tolist()
        ([0.5, 2.0], ['0.5 2.0'])
    """
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0], dtype=np.float64)
    return np.array([" ".join(map(repr, row)) for row in rows.tolist()], dtype=object)


def read_rows(entries: Array) -> Floats:
    """Return the rows (N, k) that `write_rows` wrote, also if single numbers have become strings.

    Raises:
        ValueError: An entry is not a number, or rows differ in their number of numbers.

    Example:
        >>> read_rows(np.array(["0.5 2.0", "1.0 -1.0"], dtype=object)).tolist()
        [[0.5, 2.0], [1.0, -1.0]]
    """
    if entries.dtype.kind in "iuf" or not len(entries):
        return np.asarray(entries, dtype=np.float64).reshape(-1, 1)
    return np.array([[float(number) for number in str(entry).split()] for entry in entries], dtype=np.float64)


def numbers_of_rows(task: str, labels: Array, size: int) -> Floats:
    """Return labels that are numbers, or tuples of `size` numbers, as an array (N, size), 0 where there is no label.

    Args:
        task: Name of the task, for the error message.
        labels: Labels (N,), with gaps.
        size: Number of numbers per label.

    Raises:
        DataError: A label is not a number, or not a tuple of `size` numbers; the message names the row.

    Example:
        >>> labels = np.empty(2, dtype=object)
        >>> labels[:] = [(1.0, 2.0), None]
        >>> numbers_of_rows("place", labels, 2).tolist()
        [[1.0, 2.0], [0.0, 0.0]]
    """
    if size == 1:
        return labels_as_floats(task, labels)[:, None]
    found = np.zeros((len(labels), size))
    for row in np.flatnonzero(has_label(labels)).tolist():
        label = labels[row]
        if not isinstance(label, tuple | list | np.ndarray) or len(label) != size:
            raise DataError(f"a label must be a tuple of {size} numbers", where=f"task {task!r}, row {row + 1}", found=repr(label))
        found[row] = labels_as_floats(task, np.array(list(label), dtype=object))
    return found


def columns_of(name: str, rows: Floats) -> dict[str, Array]:
    """Return rows (N, k) as named columns of a table: one column `name`, or `name_0`, `name_1`, … for several.

    Example:
        >>> list(columns_of("price", np.zeros((3, 1)))), list(columns_of("place", np.zeros((3, 2))))
        (['price'], ['place_0', 'place_1'])
    """
    if rows.shape[1] == 1:
        return {name: rows[:, 0]}
    return {f"{name}_{number}": rows[:, number] for number in range(rows.shape[1])}
