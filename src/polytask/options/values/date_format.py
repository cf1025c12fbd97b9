"""Formats of dates in text files, as patterns that bring them to ISO 8601."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import final

from polytask.errors import ConfigError, shown

_YEAR, _MONTH, _NAME = r"(?P<Y>\d{4})", r"(?P<m>0?[1-9]|1[0-2])", r"(?P<b>[A-Za-z]{3,9})\.?"
_DAY, _TIME = r"(?P<d>0?[1-9]|[12]\d|3[01])", r"(?P<T>\d{1,2}:\d{2}(?::\d{2})?)"
DIRECTIVES = {"Y": _YEAR, "y": r"(?P<y>\d{2})", "m": _MONTH, "b": _NAME, "d": _DAY, "T": _TIME}
"""Pattern of each directive."""
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
EXAMPLE = "%d/%m/%Y"
PIVOT = 69
"""First year of two digits that belongs to the 20th century, as in POSIX."""


@final
@dataclass(frozen=True)
class DateFormat:
    """Format of the dates of a column, in the notation of `strptime`.

    Directives are `%Y` (year), `%y` (year of two digits; 69 to 99 are 1969 to 1999), `%m` (month), `%b` (English name of a month, also in
    full), `%d` (day) and `%T` (hours and minutes, with or without seconds). Day, month and hour may have one digit. A time after a blank
    or a T may follow a format without a time.

    Attributes:
        text: Format with a day, a month and a year.

    Raises:
        ConfigError: A directive is unknown, or day, month and year are not there once each.

    Example:
        >>> DateFormat("%d/%m/%Y").iso("31/1/2026 9:30")
        '2026-01-31 09:30'
    """

    text: str

    def __post_init__(self) -> None:
        found = re.findall(r"%(.?)", self.text)
        allowed = ", ".join(f"%{name}" for name in DIRECTIVES)
        for name in found:
            if name not in DIRECTIVES:
                raise ConfigError(f"a date format has the directives {allowed}", found=f"%{name} in {shown(self.text)}", remedy=EXAMPLE)
        parts = sorted({"y": "Y", "b": "m"}.get(name, name) for name in found)
        if parts not in (["Y", "d", "m"], ["T", "Y", "d", "m"]):
            raise ConfigError("a date format needs a day, a month and a year, each once", found=shown(self.text), remedy=EXAMPLE)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Regular expression of a cell of this format, with a group per directive."""
        inner = "".join(
            DIRECTIVES[part[1]] if part.startswith("%") and len(part) == 2 else re.escape(part)
            for part in re.findall(r"%.|[^%]+", self.text)
        )
        time = "" if "%T" in self.text else rf"(?:[T ]{_TIME})?"
        return re.compile(rf"^[ \t]*{inner}{time}[ \t]*$", re.ASCII)

    def iso(self, text: str) -> str | None:
        """Return a cell as an ISO 8601 date or time; `None` if it is not of this format. A day that its month lacks is kept."""
        found = self._pattern.match(text)
        if found is None:
            return None
        part = found.groupdict()
        month = part.get("m") or number_of_month(part["b"])
        if month is None:
            return None
        year = part.get("Y") or f"{19 if int(part['y']) >= PIVOT else 20}{part['y']}"
        clock = part.get("T") or ""
        time = f" {clock.zfill(len('09:30') if clock.count(':') == 1 else len('09:30:00'))}" if clock else ""
        return f"{year}-{month:>02}-{part['d']:>02}{time}"


def number_of_month(name: str) -> int | None:
    """Return the number of a month by its English name, in full or cut to three letters or more; `None` if there is none.

    Example:
        >>> [number_of_month(name) for name in ("March", "sept", "maybe")]
        [3, 9, None]
    """
    return next((number for number, month in enumerate(MONTHS, start=1) if month.startswith(name.lower())), None)


RECOGNIZED = tuple(map(DateFormat, ("%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")))
"""Formats that are recognized where all cells of a column have one of them, and no other."""
