"""Columns of dates and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import NUMERIC, Array, Column, first_invalid_cell
from polytask.errors import DataError
from polytask.options.values.date_format import DateFormat

EPOCH = pd.Timestamp("2000-01-01")
MONTHS, WEEKDAYS = 13, 8  # including code 0 for a missing date


@final
@dataclass(frozen=True)
class DateColumn(Column):
    """Column of dates, encoded as days since a center, day of the month, month and weekday as categories, and the hour if there are times.

    Times with a time zone are converted to UTC.

    Attributes:
        hours: Whether the training rows had times of day.
        center: Days from 2000 to the day from which days count; one among the training rows keeps seconds apart in float32.
        form: Format of dates in text, in the notation of `strptime`; empty for ISO 8601.

    Example:
        >>> DateColumn("joined").encode(pd.Series(["2000-01-03", None])).tolist()
        [[2.0, 3.0, 1.0, 1.0], [nan, nan, 0.0, 0.0]]
    """

    hours: bool = False
    center: float = 0.0
    form: str = ""

    kind: ClassVar[str] = "date"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Days since the center and day of the month as numbers, month and weekday as codes, and the hour as a number if `hours`."""
        return (NUMERIC, NUMERIC, MONTHS, WEEKDAYS, *([NUMERIC] if self.hours else []))

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as numbers (N, 4), or (N, 5) with hours.

        Raises:
            DataError: A cell is not a date.
        """
        times = parse_datetimes(self._iso(cells))
        bad = (times.isna() & cells.notna()).to_numpy()
        if bad.any():
            row, found = first_invalid_cell(cells, bad)
            raise DataError(
                "a date is needed", where=f"column {self.name!r}, row {row}", found=found, remedy=f"Write it as {self.form or '2026-12-31'}"
            )
        days = days_since_2000(times) - self.center
        codes = [(times.dt.month).fillna(0), (times.dt.day_of_week + 1).fillna(0)]
        hour = [times.dt.hour + times.dt.minute / 60] if self.hours else []
        return np.stack([part.to_numpy(dtype=np.float64, na_value=np.nan) for part in (days, times.dt.day, *codes, *hour)], axis=1)

    def _iso(self, cells: pd.Series[Any]) -> pd.Series[Any]:
        """Return texts of the column's format as ISO 8601; other cells stay as they are."""
        if not self.form or pd.api.types.is_datetime64_any_dtype(cells) or pd.api.types.is_numeric_dtype(cells):
            return cells
        form = DateFormat(self.form)
        return cells.astype(object).map(lambda cell: (form.iso(cell) or cell) if isinstance(cell, str) else cell)


def parse_datetimes(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Convert cells to times in UTC without a time zone; NaT where a cell is not a date."""
    if pd.api.types.is_numeric_dtype(cells):  # pandas would read numbers as nanoseconds since 1970
        return pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us]")
    times = cells if pd.api.types.is_datetime64_any_dtype(cells) else pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=True)
    return times if times.dt.tz is None else times.dt.tz_convert(None)


def days_since_2000(times: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as days since 2000, with their fraction; NaN where a time is missing."""
    return (times - EPOCH) / pd.Timedelta(days=1)
