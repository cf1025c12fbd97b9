"""Warnings about features that carry no information, and about features that leak a target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns.text_words import WORDS_OF_A_TEXT, look_like_dates, mean_words
from polytask.data.reading.error_locations import location
from polytask.errors import shown

# With fewer rows, unique values or a perfect relation may be due to chance.
MIN_ROWS = 10
# Minimum mean number of rows per value of a feature for a claim that the feature determines a target.
ROWS_PER_GROUP = 5
NEAR_PERFECT_CORRELATION = 0.9999
IDENTIFIER_NAME = re.compile(r"(^|[^a-z])(id|ids|key|uuid|guid|index|identifier|number|no|nr|code|row|unnamed)([^a-z]|$)|[a-z]I[dD]$")


@final
@dataclass(frozen=True)
class _FeatureColumn:
    name: str
    codes: NDArray[np.int64]  # (N,) number of each row's value, -1 if missing
    values: pd.Index[Any]  # distinct values
    numbers: NDArray[np.float64] | None  # (N,) NaN if missing; None if the column is not numeric
    whole: bool  # integers, or not numeric
    date: bool

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _FeatureColumn:
        codes, distinct = pd.factorize(column)
        dtype = column.dtype
        number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) if number else None
        whole = numbers is None or pd.api.types.is_integer_dtype(dtype)
        return cls(str(column.name), codes, pd.Index(distinct), numbers, whole, pd.api.types.is_datetime64_any_dtype(dtype))

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def texts(self) -> list[str]:
        """Distinct values if they are strings."""
        return [value for value in self.values if isinstance(value, str)] if self.numbers is None and not self.date else []


def check_features(frame: pd.DataFrame, targets: Sequence[str], where: str, texts: Sequence[str] = ()) -> list[str]:
    """Return warnings about suspicious features, that is, columns that are not targets.

    A feature is suspicious if it is empty or constant; if it is an identifier (all values differ, and they are strings of fewer than three
    words on average, or integers that increase, decrease, or have the name of an identifier); if it holds dates that are not read as
    such; or if it determines a target: it is the target under other names, its few
    values have one label each, or its correlation with the target exceeds 0.9999.

    Args:
        frame: Table with one row per labeled unit.
        targets: Names of target columns; names that are not in the table are ignored.
        where: Name of the table in messages.
        texts: Features that are declared to be texts, and so no identifiers.

    Returns:
        Warnings of one line each, in the order of the columns.

    Example:
        >>> table = pd.DataFrame({"row": range(10), "price": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]})
        >>> check_features(table, ["price"], "homes.csv")
        ["homes.csv, column 'row': probably an identifier: all 10 integers differ and they increase; leave it out"]
    """
    labels = [_FeatureColumn.of(frame[target]) for target in targets if target in frame]
    found = []
    for name in frame:
        if name not in targets:
            feature = _FeatureColumn.of(frame[name])
            alone = _check_alone(feature, declared=feature.name in texts)
            remarks = [alone] if alone else [_check_against_target(feature, label) for label in labels]
            found += [f"{location(where, column=name)}: {remark}" for remark in remarks if remark]
    return found


def _check_alone(feature: _FeatureColumn, *, declared: bool) -> str:
    rows = len(feature.codes)
    if not feature.distinct:
        return "an empty column; leave it out"
    if feature.distinct == 1 and (feature.codes >= 0).all():
        return "always the same; leave it out" if rows > 1 else ""
    if rows >= MIN_ROWS and not declared and look_like_dates(feature.texts):
        return (
            f"dates in a form that is not read, such as {shown(min(feature.texts))}: name their format, as in --date-formats "
            f"{feature.name}=%d/%m/%Y, write them as 2026-12-31, or leave them out"
        )
    if declared or feature.distinct < rows or rows < MIN_ROWS or not feature.whole or feature.date:
        return ""
    if feature.numbers is None:
        if mean_words(feature.texts) >= WORDS_OF_A_TEXT:
            return ""
        return f"probably an identifier: all {rows} texts differ; leave it out, or name it as a text"
    steps = np.diff(feature.numbers)
    way = "they increase" if (steps > 0).all() else "they decrease" if (steps < 0).all() else ""
    way = way or ("the name suggests it" if _named_identifier(feature.name) else "")
    return f"probably an identifier: all {rows} integers differ and {way}; leave it out" if way else ""


def _named_identifier(name: str) -> bool:
    return bool(IDENTIFIER_NAME.search(name.lower()) or IDENTIFIER_NAME.search(name))


def _check_against_target(feature: _FeatureColumn, target: _FeatureColumn) -> str:
    both = (feature.codes >= 0) & (target.codes >= 0)
    rows = int(both.sum())
    if rows < MIN_ROWS:
        return ""
    # As many pairs (value, label) as values means that every value has a single label.
    pairs = feature.codes[both] * target.distinct + target.codes[both]
    groups, labels, cells = (len(np.unique(codes)) for codes in (feature.codes[both], target.codes[both], pairs))
    if labels < 2 or groups < 2:
        return ""
    if feature.numbers is not None and target.numbers is not None:
        with np.errstate(all="ignore"):  # if squares overflow, the correlation is NaN, which exceeds no threshold
            likeness = abs(float(np.corrcoef(feature.numbers[both], target.numbers[both])[0, 1]))
        if likeness > NEAR_PERFECT_CORRELATION:
            return f"nearly the target {shown(target.name)} itself: their correlation is {likeness:.6f}; leave it out"
    if cells == groups == labels and groups * 2 <= rows:
        return f"the target {shown(target.name)} under other names: each of its {groups} values goes with one label; leave it out"
    if cells == groups and groups * ROWS_PER_GROUP <= rows:
        why = f"each of its {groups} values has one label in all {rows} rows"
        return f"determines the target {shown(target.name)}: {why}; leave it out if it is known only afterwards"
    return ""
