"""What one pass over a table's chunks tells of a column."""

from __future__ import annotations

import numbers
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from polytask.data.columns.boolean import Boolean
from polytask.data.columns.category import Category, counted
from polytask.data.columns.column import Column, shown
from polytask.data.columns.date import Date, times_of
from polytask.data.columns.number import Number
from polytask.data.columns.text import Text
from polytask.errors import DataError

MOST_LEVELS = 1_000
FEW_DISTINCT = 50


@dataclass
class Seen:
    """Counts that grow chunk by chunk; they say what kind of column it is, and what it holds.

    Attributes:
        name: Of the column.
        category: Whether it is one of categories, whatever it holds.
    """

    name: str
    category: bool = False
    filled: int = 0
    gaps: int = 0
    hours: bool = False
    kinds: set[str] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)

    def take_in(self, cells: pd.Series[Any]) -> None:
        """The column's cells in the next chunk."""
        before, there = self.filled + self.gaps, cells.dropna()
        self.filled, self.gaps = self.filled + len(there), self.gaps + len(cells) - len(there)
        if not len(there):
            return
        kind = "category" if self.category else _kind(cells, before)
        self.kinds.add(kind)
        if kind in {"category", "text"}:
            self.words.update(counted(there))
        elif kind == "date":
            times = times_of(there)
            self.hours = self.hours or bool((times != times.dt.normalize()).any())

    def column(self) -> Column:
        """What kind of column that is.

        Raises:
            DataError: It held several kinds of things.
        """
        if len(self.kinds) > 1 and self.kinds != {"category", "text"}:
            found = " and ".join(sorted(self.kinds))
            raise DataError("a column holds one kind of thing", where=f"column {self.name!r}", found=found)
        kind, gaps = min(self.kinds, default="number"), self.gaps > 0
        if kind == "text" and len(self.words) > max(FEW_DISTINCT, self.filled / 2):
            return Text(self.name, gaps)
        if kind in {"category", "text"}:
            return Category(self.name, gaps, tuple(sorted(self._frequent())))
        return Date(self.name, gaps, self.hours) if kind == "date" else {"boolean": Boolean, "number": Number}[kind](self.name, gaps)

    def _frequent(self) -> list[str]:
        """The most frequent words, of equally frequent ones the first by letter: in which order they came does not matter."""
        return sorted(self.words, key=lambda level: (-self.words[level], level))[:MOST_LEVELS]


def _kind(cells: pd.Series[Any], before: int) -> str:
    types = pd.api.types
    if types.is_bool_dtype(cells):
        return "boolean"
    if types.is_numeric_dtype(cells):
        return "number"
    if types.is_datetime64_any_dtype(cells):
        return "date"
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return "category"
    if cells.dtype == object:
        return _kind_of_objects(cells, before)
    return "text"


def _kind_of_objects(cells: pd.Series[Any], before: int) -> str:
    """Of cells of any type: numbers or booleans beside gaps, or words.

    Raises:
        DataError: A cell holds something else, or some are numbers and others words.
    """
    inferred = pd.api.types.infer_dtype(cells, skipna=True)
    known = {
        "string": "text", "boolean": "boolean", "integer": "number", "floating": "number", "mixed-integer-float": "number",
        "decimal": "number", "datetime": "date", "datetime64": "date", "date": "date", "categorical": "category",
    }  # fmt: skip
    if inferred not in known:
        places = np.flatnonzero(cells.notna())
        first = cells.iloc[places[0]]
        at = next((place for place in places if _sort(cells.iloc[place]) is not _sort(first)), places[0])
        found = shown(first) if at == places[0] else f"{shown(first)} and {shown(cells.iloc[at])}"
        where = f"column {cells.name!r}, row {before + at + 1}"
        raise DataError("a column holds one kind of thing", where=where, found=found, remedy="Make it numbers or text")
    return known[inferred]


def _sort(value: object) -> type:
    """What a cell holds: numbers of all types are of one sort."""
    return Number if isinstance(value, numbers.Number) and not isinstance(value, bool | np.bool_) else type(value)
