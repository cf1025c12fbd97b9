"""Parts that the data prescribe: by time, or in a column that names them."""

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
"""The words of a split column, and what they mean."""


def split_by_time(times: Source | Array, fraction: float, groups: Array | None = None) -> NDArray[np.bool_]:
    """(N,) True for the latest rows: what is known only later is held out, as in use. It serves as `Source.held_out`.

    Rows of one time stay together on one side, so the number of rows held out is the nearest to `fraction` of them that there is. Rows
    of one
    group stay together too: a group is as late as its latest row.

    Args:
        times: (N,) numbers, dates or texts of dates as 2024-01-31. Or a source whose rows stand in the order of time; its groups count.
        fraction: Of the rows that are held out, between 0 and 1.
        groups: (N,) what rows belong together, where `times` is no source.

    Raises:
        ConfigError: The share is not between 0 and 1.
        DataError: A row has no time, a text is no date, or all rows are of one time.

    Example:
        >>> split_by_time(np.array(["2024-03-01", "2023-05-01", "2024-02-01", "2024-03-01"]), fraction=0.4).tolist()
        [True, False, False, True]
    """
    if not 0 < fraction < 1:
        raise ConfigError("the share of rows held out lies between 0 and 1", where="share", found=fraction)
    moments = _parse_times(np.arange(len(times)) if isinstance(times, Source) else np.asarray(times))
    groups = times.groups if isinstance(times, Source) else groups
    if groups is not None:
        moments = moments.groupby(np.asarray(groups), dropna=False).transform("max")
    order, kinds = pd.factorize(moments, sort=True)
    if len(kinds) < 2:
        raise DataError("rows of at least two times are needed", where="times", found=f"{len(kinds)} in {len(moments)} rows")
    later = len(order) - np.cumsum(np.bincount(order))[:-1]  # how many rows are later than the first, the second, … time
    cut = int(np.argmin(np.abs(later - fraction * len(order))))
    return np.asarray(order > cut, dtype=np.bool_)


def _parse_times(times: Array) -> pd.Series[Any]:
    """Times as numbers or as dates."""
    given = pd.Series(times).infer_objects()
    missing = np.flatnonzero(given.isna())
    if len(missing):
        raise DataError("a row has no time", where=f"times, row {missing[0] + 1}", remedy="Give every row a time, or leave the row out")
    if given.dtype.kind in "iufMm":
        return given
    dates = given.astype(object).where(given.map(lambda time: not isinstance(time, int | float)), given.astype(str))  # 2024 among texts
    moments = pd.to_datetime(dates, format="ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero(moments.isna())
    if len(wrong):
        where = f"times, row {wrong[0] + 1}"
        raise DataError("a time is a number or a date such as 2024-01-31", where=where, found=repr(given.tolist()[wrong[0]]))
    return moments


def split_by_column(values: Array) -> dict[str, IntArray]:
    """The rows of each part, where a column names the part of every row.

    Known words, in capitals or not: train and training; validation, valid, val and dev; test.

    Args:
        values: (N,) a word per row.

    Returns:
        The numbers of the rows of "training", "validation" and "test", ascending; none for a part that no row names.

    Raises:
        DataError: Another word; the message names the row and the word.

    Example:
        >>> {part: rows.tolist() for part, rows in split_by_column(np.array(["train", "Dev", "train"])).items()}
        {'training': [0, 2], 'validation': [1], 'test': []}
    """
    codes, words = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)
    parts = np.array([PART_NAMES.get(str(word).strip().casefold(), "") for word in words], dtype=object)[codes]
    wrong = np.flatnonzero(parts == "")
    if len(wrong):
        remedy = f"Known words: {', '.join(PART_NAMES)}"
        raise DataError("this names no part", where=f"split column, row {wrong[0] + 1}", found=repr(values[wrong[0]]), remedy=remedy)
    return {part: np.flatnonzero(parts == part) for part in dict.fromkeys(PART_NAMES.values())}
