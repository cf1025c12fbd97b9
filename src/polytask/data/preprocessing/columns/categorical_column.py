"""Categorical columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import Array, Column

UNKNOWN = 0
_WHOLE = re.compile(r"^([+-]?\d+)\.0+$")


@final
@dataclass(frozen=True)
class CategoricalColumn(Column):
    """Column of categories, encoded by their position in `levels`, from 1; missing and unknown categories are 0.

    Attributes:
        levels: Categories of the training rows, as text.

    Example:
        >>> CategoricalColumn("town", levels=("Oslo", "Rome")).encode(pd.Series(["Rome", "Paris", None])).tolist()
        [[2], [0], [0]]
        >>> CategoricalColumn("zip", levels=("1003.0", "2000")).encode(pd.Series(["1003", "2000.0"])).tolist()
        [[1], [2]]
    """

    levels: tuple[str, ...] = ()

    kind: ClassVar[str] = "category"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """One code per level, and code 0."""
        return (1 + len(self.levels),)

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as int64 codes (N, 1)."""
        numbers = self._codes()
        # Look up each distinct value once; a missing cell has code -1, which selects the last entry.
        codes, distinct = pd.factorize(cells)
        found = (numbers.get(category_name(value), numbers.get(_whole_form(value), UNKNOWN)) for value in distinct)
        table = np.array([*found, UNKNOWN], dtype=np.int64)
        return np.asarray(table[codes])[:, np.newaxis]

    def unknown(self, cells: pd.Series[Any]) -> Counter[str]:
        """Count the cells of each category that did not occur in training."""
        known = self._codes()
        new = {level: count for level, count in category_counts(cells).items() if level not in known and _whole_form(level) not in known}
        return Counter(new)

    def _codes(self) -> dict[str, int]:
        """Return the code of each level, also as a whole number without the decimals that another program may have written."""
        codes = {level: code for code, level in enumerate(self.levels, start=1)}
        return {_whole_form(level): code for level, code in codes.items()} | codes


def category_counts(cells: pd.Series[Any]) -> Counter[str]:
    """Count the cells of each category.

    Only categories that occur are counted, even if the categorical dtype of `cells` has others.

    Example:
        >>> category_counts(pd.Series([7, None, 8, 7]))
        Counter({'7': 2, '8': 1})
    """
    codes, distinct = pd.factorize(cells)
    found: Counter[str] = Counter()
    for value, count in zip(distinct, np.bincount(codes[codes >= 0], minlength=len(distinct)).tolist(), strict=True):
        found[category_name(value)] += count
    return found


def category_name(value: object) -> str:
    """Return a category as text.

    The integer 7 and the float 7.0 are the same category, since pandas converts a column of integers to floats if a cell is missing.

    Example:
        >>> category_name(7.0), category_name("7.0"), category_name(True)
        ('7', '7.0', 'True')
    """
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)  # type: ignore[call-overload]


def _whole_form(value: object) -> str:
    """Return a category as text, without the decimals of a whole number, which a column of integers gets where a cell is missing."""
    text = category_name(value)
    return _WHOLE.sub(r"\1", text)
