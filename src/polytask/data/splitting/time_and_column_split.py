"""Splits that the data define: by time, or by a column that names the part of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.source import Source
from polytask.data.splitting.label_keys import IntArray
from polytask.errors import ConfigError, DataError

Array = NDArray[Any]

PART_NAMES = {
    "train": "training",
    "training": "training",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
"""Part that each accepted value of a split column stands for."""


def split_by_time(times: Source | Array, fraction: float, groups: Array | None = None) -> NDArray[np.bool_]:
    """Hold out the latest rows, so that models are evaluated on data that are newer than the training data, as in use.

    Rows with equal times stay together, so the number of rows held out is the closest to `fraction` of them that is possible. Rows of
    one group stay together too: the time of a group is that of its latest row.

    Args:
        times: (N,) numbers, dates, or strings such as 2024-01-31. Alternatively a source whose rows are in temporal order; then its groups
            are used.
        fraction: Fraction of rows to hold out, between 0 and 1 (exclusive).
        groups: (N,) group of each row; ignored if `times` is a source. `None` means no groups.

    Returns:
        (N,) mask, True for the rows held out; it can serve as `Source.held_out`.

    Raises:
        ConfigError: `fraction` is not between 0 and 1.
        DataError: A row has no time, a string is not a date, or all rows have the same time.

    Example:
        >>> split_by_time(np.array(["2024-03-01", "2023-05-01", "2024-02-01", "2024-03-01"]), fraction=0.4).tolist()
        [True, False, False, True]
    """
    if not 0 < fraction < 1:
        raise ConfigError("a number between 0 and 1 (exclusive) is needed", where="fraction", found=fraction)
    moments = _parse_times(np.arange(len(times)) if isinstance(times, Source) else np.asarray(times))
    groups = times.groups if isinstance(times, Source) else groups
    if groups is not None:
        moments = moments.groupby(np.asarray(groups), dropna=False).transform("max")
    order, kinds = pd.factorize(moments, sort=True)
    if len(kinds) < 2:
        raise DataError("at least two different times are needed", where="times", found=f"{len(kinds)} in {len(moments)} rows")
    later = len(order) - np.cumsum(np.bincount(order))[:-1]  # number of rows later than the first, the second, … time
    cut = int(np.argmin(np.abs(later - fraction * len(order))))
    return np.asarray(order > cut, dtype=np.bool_)


def _parse_times(times: Array) -> pd.Series[Any]:
    """Return times as numbers or as dates, whichever they are."""
    given = pd.Series(times).infer_objects()
    missing = np.flatnonzero(given.isna())
    if len(missing):
        raise DataError("a row has no time", where=f"times, row {missing[0] + 1}", remedy="Give every row a time, or leave the row out")
    if given.dtype.kind in "iufMm":
        return given
    # A number among strings, such as 2024, is a year.
    dates = given.astype(object).where(given.map(lambda time: not isinstance(time, int | float)), given.astype(str))
    moments = pd.to_datetime(dates, format="ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero(moments.isna())
    if len(wrong):
        where = f"times, row {wrong[0] + 1}"
        raise DataError("a time must be a number or a date such as 2024-01-31", where=where, found=repr(given.tolist()[wrong[0]]))
    return moments


def split_by_column(values: Array) -> dict[str, IntArray]:
    """Split rows by a column that names the part of each row.

    Accepted values, regardless of case: train and training; validation, valid, val and dev; test.

    Args:
        values: (N,) name of each row's part.

    Returns:
        Row numbers of "training", "validation" and "test", ascending; empty for a part that no row names.

    Raises:
        DataError: A value is not accepted; the message names the row and the value.

    Example:
        >>> {part: rows.tolist() for part, rows in split_by_column(np.array(["train", "Dev", "train"])).items()}
        {'training': [0, 2], 'validation': [1], 'test': []}
    """
    codes, words = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)
    parts = np.array([PART_NAMES.get(str(word).strip().casefold(), "") for word in words], dtype=object)[codes]
    wrong = np.flatnonzero(parts == "")
    if len(wrong):
        remedy = f"Use one of: {', '.join(PART_NAMES)}"
        raise DataError("unknown name of a part", where=f"split column, row {wrong[0] + 1}", found=repr(values[wrong[0]]), remedy=remedy)
    return {part: np.flatnonzero(parts == part) for part in dict.fromkeys(PART_NAMES.values())}
