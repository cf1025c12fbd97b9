"""Rows of numbers as entries of a table: one number as it is, several as one text."""

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
    """(N,) the numbers of rows (N, 1), or the numbers of every row as one text.

    Example:
        >>> write_rows(np.array([[0.5], [2.0]])).tolist(), write_rows(np.array([[0.5, 2.0]])).tolist()
        ([0.5, 2.0], ['0.5 2.0'])
    """
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0], dtype=np.float64)
    return np.array([" ".join(map(repr, row)) for row in rows.tolist()], dtype=object)


def read_rows(entries: Array) -> Floats:
    """(N, k) what `write_rows` has written, also where one number became a text.

    Raises:
        ValueError: An entry is no number, or they are not as many in every row.

    Example:
        >>> read_rows(np.array(["0.5 2.0", "1.0 -1.0"], dtype=object)).tolist()
        [[0.5, 2.0], [1.0, -1.0]]
    """
    if entries.dtype.kind in "iuf" or not len(entries):
        return np.asarray(entries, dtype=np.float64).reshape(-1, 1)
    return np.array([[float(number) for number in str(entry).split()] for entry in entries], dtype=np.float64)


def numbers_of_rows(task: str, labels: Array, size: int) -> Floats:
    """(N, size) labels that are a number each, or tuples of so many; 0 where there is none.

    Raises:
        DataError: A label is something else; the message names the row.

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
            raise DataError(f"a label is a tuple of {size} numbers", where=f"task {task!r}, row {row + 1}", found=repr(label))
        found[row] = labels_as_floats(task, np.array(list(label), dtype=object))
    return found


def columns_of(name: str, rows: Floats) -> dict[str, Array]:
    """Columns of a table by their names: one under the name itself, several under names with their numbers.

    Example:
        >>> list(columns_of("price", np.zeros((3, 1)))), list(columns_of("place", np.zeros((3, 2))))
        (['price'], ['place_0', 'place_1'])
    """
    if rows.shape[1] == 1:
        return {name: rows[:, 0]}
    return {f"{name}_{number}": rows[:, number] for number in range(rows.shape[1])}
