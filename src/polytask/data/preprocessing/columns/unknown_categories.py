"""Count of categories that did not occur in training, over the chunks of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from polytask.data.preprocessing.columns.base import Column, quoted_cell

MAX_SHOWN = 3
"""Number of unknown categories per column that a warning names."""


@dataclass
class UnknownCategories:
    """Counter of the categories of each column that did not occur in training, updated chunk by chunk.

    Attributes:
        columns: Fitted columns.
        rows: Number of rows so far.
        found: Number of cells of each unknown category, by column name.

    Example:
        >>> from polytask.data.preprocessing.columns import CategoricalColumn
        >>> unknown = UnknownCategories([CategoricalColumn("town", levels=("Oslo",))])
        >>> for town in ("Rome", "Oslo", "Rome"):
        ...     unknown.update(pd.DataFrame({"town": [town]}))
        >>> unknown.line()
        "categories not seen in training are treated as unknown: column 'town': 2 of 3 rows ('Rome')"
    """

    columns: Sequence[Column]
    rows: int = 0
    found: dict[str, Counter[str]] = field(default_factory=dict)

    def update(self, raw: pd.DataFrame) -> None:
        """Update the counts with the next chunk."""
        self.rows += len(raw)
        for column in self.columns:
            if new := column.unknown(raw[column.name]):
                self.found.setdefault(column.name, Counter()).update(new)

    def line(self) -> str:
        """Return a one-line warning with the counts of all columns; empty if there are no unknown categories."""
        parts = []
        for name, new in self.found.items():
            some = ", ".join(quoted_cell(level) for level, _ in new.most_common(MAX_SHOWN)) + (", …" if len(new) > MAX_SHOWN else "")
            parts.append(f"column {name!r}: {new.total()} of {self.rows} rows ({some})")
        return f"categories not seen in training are treated as unknown: {'; '.join(parts)}" if parts else ""
