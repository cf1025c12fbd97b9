"""Rows that two sources have in common, such as those that stand in the training and in the test part of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from polytask.data.input_entries import RowReader, named_entries
from polytask.data.source import Source
from polytask.errors import DataError

MOSTLY_DIFFERENT = 0.9
"""Share of different rows from which common rows are no coincidence."""


def count_common_rows(first: Source, second: Source) -> tuple[int, int]:
    """Count the rows of the second source that the first one has too, with the same inputs and the same labels.

    Args:
        first: Source, such as the training rows.
        second: Source with the same inputs and tasks, such as the test rows.

    Returns:
        Number of common rows, and of different rows of the first source. Zeros if rows have to be read from a data set one by one, or if
        the sources do not have the same tasks.

    Example:
        >>> first = Source("toy", np.arange(4.0)[:, None], {"size": np.arange(4.0)})
        >>> count_common_rows(first, first.take(np.array([1, 3])))
        (2, 4)
    """
    if isinstance(first.inputs, RowReader) or isinstance(second.inputs, RowReader) or first.labels.keys() != second.labels.keys():
        return 0, 0
    known = set(_digests(first))
    return sum(digest in known for digest in _digests(second)), len(known)


def check_not_only_copies(copies: int, test: int, different: int, training: int, where: str) -> None:
    """Check that test rows are not all training rows; where rows repeat themselves anyway, common rows say nothing.

    Args:
        copies: Number of test rows that are among the training rows.
        test: Number of test rows.
        different: Number of different training rows.
        training: Number of training rows.
        where: Name of the rows.

    Raises:
        DataError: All of several test rows are training rows, of which hardly any stands twice: the verdict would be about rows that
            networks have learned by heart.

    Example:
        >>> check_not_only_copies(9, 10, different=50, training=50, where="shop.csv")
    """
    if copies == test > 1 and different >= MOSTLY_DIFFERENT * training:
        remedy = "Give test rows that are not among the training rows"
        raise DataError("all test rows are training rows", where=where, found=f"{copies} rows", remedy=remedy)


def _digests(source: Source) -> Iterator[bytes]:
    columns = [np.asarray(array) for _, array in named_entries(source.inputs)] + [np.asarray(own) for own in source.labels.values()]
    for row in range(len(source)):
        digest = hashlib.blake2b(digest_size=16)
        for column in columns:
            value = column[row]
            digest.update(
                repr(value.tolist() if isinstance(value, np.ndarray) else value).encode() if column.dtype == object else value.tobytes()
            )
        yield digest.digest()
