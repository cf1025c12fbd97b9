"""Categories that training had not, counted over the chunks of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from polytask.data.preprocessing.columns.base import Column, quoted_cell

MAX_SHOWN = 3


@dataclass
class UnknownCategories:
    """How many cells of each column hold a category that training had not, over all chunks that were looked at.

    Attributes:
        columns: As training knows them.
        rows: How many were looked at.
        found: Per column its unknown categories.

    Example:
        >>> from polytask.data.preprocessing.columns import CategoricalColumn
        >>> unknown = UnknownCategories([CategoricalColumn("town", levels=("Oslo",))])
        >>> for town in ("Rome", "Oslo", "Rome"):
        ...     unknown.update(pd.DataFrame({"town": [town]}))
        >>> unknown.line()
        "categories that training had not count as unknown: column 'town': 2 of 3 rows ('Rome')"
    """

    columns: Sequence[Column]
    rows: int = 0
    found: dict[str, Counter[str]] = field(default_factory=dict)

    def update(self, raw: pd.DataFrame) -> None:
        """The next chunk."""
        self.rows += len(raw)
        for column in self.columns:
            if new := column.unknown(raw[column.name]):
                self.found.setdefault(column.name, Counter()).update(new)

    def line(self) -> str:
        """All of it in one line, or nothing."""
        parts = []
        for name, new in self.found.items():
            some = ", ".join(quoted_cell(level) for level, _ in new.most_common(MAX_SHOWN)) + (", …" if len(new) > MAX_SHOWN else "")
            parts.append(f"column {name!r}: {new.total()} of {self.rows} rows ({some})")
        return f"categories that training had not count as unknown: {'; '.join(parts)}" if parts else ""
