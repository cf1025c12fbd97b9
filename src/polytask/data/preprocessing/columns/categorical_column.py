"""Columns of categories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import Array, Column

UNKNOWN = 0


@final
@dataclass(frozen=True)
class CategoricalColumn(Column):
    """Codes of categories in the order of `levels`, from 1; 0 where it is missing or unknown.

    Attributes:
        levels: The categories of the training rows, as text.

    Example:
        >>> CategoricalColumn("town", levels=("Oslo", "Rome")).encode(pd.Series(["Rome", "Paris", None])).tolist()
        [[2], [0], [0]]
    """

    levels: tuple[str, ...] = ()

    kind: ClassVar[str] = "category"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """A code per level, and 0."""
        return (1 + len(self.levels),)

    def encode(self, cells: pd.Series[Any]) -> Array:
        """(N, 1)."""
        numbers = {level: code for code, level in enumerate(self.levels, start=1)}
        # One look per distinct value, not per row; a gap is code -1, and the last entry.
        codes, distinct = pd.factorize(cells)
        table = np.array([*(numbers.get(category_name(value), UNKNOWN) for value in distinct), UNKNOWN], dtype=np.int64)
        return np.asarray(table[codes])[:, np.newaxis]

    def unknown(self, cells: pd.Series[Any]) -> Counter[str]:
        """Categories that training had not, and how many cells hold them."""
        known = set(self.levels)
        return Counter({level: count for level, count in category_counts(cells).items() if level not in known})


def category_counts(cells: pd.Series[Any]) -> Counter[str]:
    """How many cells there are of each category; of a part of a table no others than it has, whatever pandas knows of the whole.

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
    """A category as text: 7 and 7.0 are the same, since a gap turns a column of the one into the other.

    Example:
        >>> category_name(7.0), category_name("7.0"), category_name(True)
        ('7', '7.0', 'True')
    """
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)  # type: ignore[call-overload]
