"""Inference of the kind of a column in one pass over the chunks of a table."""

from __future__ import annotations

import numbers
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns.base import Column, quoted_cell
from polytask.data.preprocessing.columns.boolean_column import BooleanColumn
from polytask.data.preprocessing.columns.categorical_column import CategoricalColumn, category_counts
from polytask.data.preprocessing.columns.character_ngrams import TextColumn
from polytask.data.preprocessing.columns.date_column import DateColumn, days_since_2000, parse_datetimes
from polytask.data.preprocessing.columns.numeric_column import NumericColumn, center_and_scale
from polytask.data.preprocessing.columns.pretrained_column import PretrainedTextColumn
from polytask.data.preprocessing.columns.text_words import WORDS_OF_A_SENTENCE, WORDS_OF_A_TEXT, mean_words
from polytask.errors import DataError

MAX_CATEGORIES = 1_000
"""Maximum number of categories per column; rarer ones are treated as unknown."""
MIN_DISTINCT_TEXTS = 50
"""A column of strings with at most this many distinct values is categorical, however few rows there are."""
MIN_DISTINCT_SENTENCES, ROWS_PER_SENTENCE = 20, 10
"""A column of sentences is categorical with at most this many distinct values, or with at least this many rows per distinct value."""

ROWS_OF_THE_CENTER = 65_536
"""Number of cells with a number from which the center and the scale of their column are computed."""


@dataclass
class ColumnKindInference:
    """Statistics of the cells of one column, updated chunk by chunk, from which its kind is inferred.

    Attributes:
        name: Name of the column.
        category: Whether to treat the column as categorical regardless of its cells.
        text: Whether to treat the column as texts regardless of its cells.
        date_format: Format of dates in text, which the file had; empty for ISO 8601.
        text_encoder: Folder of a pretrained encoder that reads texts; `None` for n-grams.
        numeric: Whether the cells, missing ones included, have a numeric type.
        filled: Number of cells with a value.
        gaps: Number of missing cells.
        hours: Whether any date has a time of day.
        kinds: Kinds of cells found so far.
        words: Number of cells of each category or text.
        first: First numbers, or days, whose middle becomes the center.
    """

    name: str
    category: bool = False
    text: bool = False
    date_format: str = ""
    text_encoder: str | None = None
    numeric: bool = True
    filled: int = 0
    gaps: int = 0
    hours: bool = False
    kinds: set[str] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)
    first: list[NDArray[np.float64]] = field(default_factory=list)

    def update(self, cells: pd.Series[Any]) -> None:
        """Update the statistics with the cells of the next chunk."""
        before, there = self.filled + self.gaps, cells.dropna()
        self.filled, self.gaps = self.filled + len(there), self.gaps + len(cells) - len(there)
        self.numeric = self.numeric and pd.api.types.is_numeric_dtype(cells)
        if not len(there):
            return
        kind = "category" if self.category or self.text else _column_kind(cells, before)
        self.kinds.add(kind)
        if kind in {"category", "text"}:
            self.words.update(category_counts(there))
        elif kind == "number":
            self._keep_first(there.to_numpy(dtype=np.float64))
        elif kind == "date":
            times = parse_datetimes(there)
            self._keep_first(np.floor(days_since_2000(times).to_numpy(dtype=np.float64)))
            self.hours = self.hours or bool((times != times.dt.normalize()).any())

    def _keep_first(self, numbers: NDArray[np.float64]) -> None:
        """Keep the first numbers of the column, so many that they do not depend on the sizes of chunks."""
        missing = ROWS_OF_THE_CENTER - sum(map(len, self.first))
        if missing > 0:
            self.first.append(numbers[np.isfinite(numbers)][:missing])

    def column(self) -> Column:
        """Return the encoder of the column.

        Strings are texts if they are declared as such, or if they seldom repeat; sentences may repeat more often than names. Whatever
        comes later in a column without a single value is unknown.

        Raises:
            DataError: The column has cells of several kinds.
        """
        if len(self.kinds) > 1 and self.kinds != {"category", "text"}:
            found = " and ".join(sorted(self.kinds))
            raise DataError("a column must hold values of one type", where=f"column {self.name!r}", found=found)
        kind, gaps = min(self.kinds, default="number" if self.numeric else "category"), self.gaps > 0
        if kind in {"category", "text"}:
            return self._column_of_strings(gaps, of_text=(self.text and self.filled > 0) or kind == "text")
        center, scale = center_and_scale(np.concatenate([np.zeros(0), *self.first]))
        if kind == "date":
            return DateColumn(self.name, gaps, self.hours, center, self.date_format)
        return BooleanColumn(self.name, gaps) if kind == "boolean" else NumericColumn(self.name, gaps, center, scale)

    def _column_of_strings(self, gaps: bool, *, of_text: bool) -> Column:
        if of_text:
            words = mean_words(self.words)
            few = max(MIN_DISTINCT_TEXTS, self.filled / 2)
            if words >= WORDS_OF_A_SENTENCE:
                few = max(MIN_DISTINCT_SENTENCES, self.filled / ROWS_PER_SENTENCE)
            if self.text or len(self.words) > few:
                if self.text_encoder is not None and (self.text or words >= WORDS_OF_A_TEXT):
                    return PretrainedTextColumn.of(self.name, gaps, self.text_encoder)
                return TextColumn.for_texts(self.name, gaps, words)
        return CategoricalColumn(self.name, gaps, tuple(sorted(self._frequent())))

    def _frequent(self) -> list[str]:
        """Return the most frequent categories; ties are broken alphabetically, so the order of rows does not matter."""
        return sorted(self.words, key=lambda level: (-self.words[level], level))[:MAX_CATEGORIES]


def _column_kind(cells: pd.Series[Any], before: int) -> str:
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
        return _object_column_kind(cells, before)
    return "text"


def _object_column_kind(cells: pd.Series[Any], before: int) -> str:
    """Return the kind of a column of dtype object, such as numbers or booleans with missing cells, or strings.

    Raises:
        DataError: A cell has an unsupported type, or cells have different types.
    """
    inferred = pd.api.types.infer_dtype(cells, skipna=True)
    known = {
        "string": "text", "boolean": "boolean", "integer": "number", "floating": "number", "mixed-integer-float": "number",
        "decimal": "number", "datetime": "date", "datetime64": "date", "date": "date", "categorical": "category",
    }  # fmt: skip
    if inferred not in known:
        places = np.flatnonzero(cells.notna())
        first = cells.iloc[places[0]]
        at = next((place for place in places if _cell_type(cells.iloc[place]) is not _cell_type(first)), places[0])
        found = quoted_cell(first) if at == places[0] else f"{quoted_cell(first)} and {quoted_cell(cells.iloc[at])}"
        where = f"column {cells.name!r}, row {before + at + 1}"
        raise DataError("a column must hold values of one type", where=where, found=found, remedy="Convert all cells to numbers or to text")
    return known[inferred]


def _cell_type(value: object) -> type:
    """Return the type of a cell for comparison; all numeric types except bool count as one."""
    return NumericColumn if isinstance(value, numbers.Number) and not isinstance(value, bool | np.bool_) else type(value)
