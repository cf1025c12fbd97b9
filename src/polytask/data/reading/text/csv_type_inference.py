"""Type inference for CSV columns: numbers, booleans, dates or categories, by the same rules for every cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, final

import pyarrow as pa
import pyarrow.compute as pc

from polytask.data.reading.error_locations import MAX_EXACT_INTEGER, location
from polytask.data.reading.text.written_cells import DateFormats, iso_dates, plain_numbers
from polytask.errors import DataError, plain, shown
from polytask.options.values.number_format import NumberFormat

# RE2 syntax: \d matches ASCII digits only, and $ the end of the text.
INTEGER_PATTERN = r"^[ \t]*[+-]?\d+[ \t]*$"
LEADING_ZERO = r"^[ \t]*[+-]?0\d+[ \t]*$"
INFINITE_PATTERN = r"(?i)^[ \t]*[+-]?inf(inity)?[ \t]*$"
# Numbers with thousands separators, a decimal comma, a currency or a percent sign: readable to a person, but not parsed.
FORMATTED = r"^[ \t]*[+-]?[$€£]?[ ]?[+-]?(\d{1,3}([,._' \x{a0}\x{202f}’]\d{3})+([.,]\d+)?|\d+,\d+|\d+(_\d+)+|\d+(\.\d+)?)[ ]?[%€$£]?[ \t]*$"
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
WITH_TIMEZONE = r"^.{16,}(Z|[+-]\d{2}(:?\d{2})?)$"
BOOLEANS = pa.array(["True", "False", "true", "false", "TRUE", "FALSE"])
MICROSECONDS = pa.timestamp("us")


@final
@dataclass
class CsvTypeInference:
    """Statistics of the cells of one column, updated block by block, from which its type is inferred.

    Attributes:
        name: Name of the column.
        forced: Whether to treat the column as categories regardless of its cells.
        written: Format of numbers.
        formats: Formats that dates have if they are not ISO 8601.
        filled: Number of cells with a value.
        gaps: Whether any cell is missing.
        numbers: Number of cells that are finite numbers.
        infinite: Number of cells that are infinite or overflow float64.
        formatted: Number of cells that are numbers with separators, a decimal comma, a currency or a percent sign.
        booleans: Number of cells that are booleans.
        dates: Number of cells that look like dates or times.
        zoned: Number of cells that are times with a time zone.
        whole: Whether every number is an integer.
        simple: Whether every cell parses as a number without stripping blanks.
        large: First integer that float64 would round; empty if there is none.
        leading_zero: First integer with a leading zero; empty if there is none.
        first: Row (from 1) and text of the first cell of each category that an error message may have to name.
    """

    name: str
    forced: bool = False
    written: NumberFormat = field(default_factory=NumberFormat)
    formats: DateFormats = field(default_factory=DateFormats)
    filled: int = 0
    gaps: bool = False
    numbers: int = 0
    infinite: int = 0
    formatted: int = 0
    booleans: int = 0
    dates: int = 0
    zoned: int = 0
    whole: bool = True
    simple: bool = True
    large: str = ""
    leading_zero: str = ""
    first: dict[str, tuple[int, str]] = field(default_factory=dict)

    def learn(self, column: Any, row: int) -> None:  # noqa: ANN401 - pyarrow has no types
        """Update the statistics with the next cells.

        Args:
            column: pyarrow array of strings, null where a cell is missing.
            row: Number of rows before these cells.
        """
        filled = column.drop_null()
        self.gaps |= column.null_count > 0
        # While all cells so far are numbers, try to cast the block at once before classifying distinct texts.
        fast = self.numbers == self.filled and not self.first and self.written.is_plain and self.formats.given is None
        self.filled += len(filled)
        if len(filled) and not self.forced and not (fast and self._only_numbers(filled)):
            self._learn_texts(column, filled, row)

    def _only_numbers(self, filled: Any) -> bool:  # noqa: ANN401
        try:
            values = pc.cast(filled, pa.float64())
        except pa.ArrowInvalid:
            return False
        if not pc.all(pc.is_finite(values)).as_py():
            return False
        self.numbers += len(filled)
        self.formats.possible = ()
        self._learn_integers(filled, values)
        return True

    def _learn_integers(self, texts: Any, values: Any) -> None:  # noqa: ANN401
        if not self.whole or not pc.all(pc.equal(pc.floor(values), values)).as_py():
            self.whole = False
            return
        try:
            pc.cast(texts, pa.int64())
        except pa.ArrowInvalid:
            self.whole = pc.all(pc.match_substring_regex(texts, INTEGER_PATTERN)).as_py()
        if not self.large:
            # float64 rounds 2^53 + 1 to 2^53: only the digits tell them apart.
            some = texts.filter(pc.greater_equal(pc.abs(values), float(MAX_EXACT_INTEGER)))
            self.large = _first(some, pc.not_equal(pc.utf8_trim(some, characters=" \t+-"), str(MAX_EXACT_INTEGER)))
        if not self.leading_zero:
            some = texts.filter(pc.starts_with(texts, "0")) if self.simple else texts
            self.leading_zero = _first(some, pc.match_substring_regex(some, LEADING_ZERO))

    def _learn_texts(self, column: Any, filled: Any, row: int) -> None:  # noqa: ANN401
        # Classify each distinct text once, and weight it by its frequency.
        self.simple = False
        texts, times = filled.value_counts().flatten()
        number = pc.match_substring_regex(texts, self.written.pattern)
        infinite = pc.match_substring_regex(texts, INFINITE_PATTERN)
        if pc.any(number).as_py():
            digits = plain_numbers(texts.filter(number), self.written)
            values = parse_numbers(digits)
            self._learn_integers(digits, values)
            endless = texts.filter(number).filter(pc.is_inf(values))
            infinite = pc.or_(infinite, pc.is_in(texts, value_set=endless))
            number = pc.and_(number, pc.invert(infinite))
        date = pc.match_substring_regex(texts, DATE_PATTERN)
        masks = {
            "numbers": number,
            "infinite": infinite,
            "formatted": pc.and_(pc.match_substring_regex(texts, FORMATTED), pc.invert(number)),
            "booleans": pc.is_in(texts, value_set=BOOLEANS),
            "dates": date,
            "zoned": pc.and_(date, pc.match_substring_regex(texts, WITH_TIMEZONE)),
        }
        for name, mask in masks.items():
            setattr(self, name, getattr(self, name) + (pc.sum(times.filter(mask)).as_py() or 0))
        wanted = {name: masks[name] for name in ("infinite", "formatted", "booleans", "zoned")}
        wanted |= {"text": pc.invert(number), "unzoned": pc.and_(date, pc.invert(masks["zoned"]))}
        wanted |= {"impossible": _impossible_dates(texts, date)} if self.dates == self.filled else {}
        wanted |= self._learn_formats(texts)
        for name, mask in wanted.items():
            if name not in self.first and (text := _first(texts, mask)):
                self.first[name] = row + int(pc.index(column, text).as_py()) + 1, text

    def _learn_formats(self, texts: Any) -> dict[str, Any]:  # noqa: ANN401
        """Learn which formats dates may have; return masks of the texts that an error message may have to name."""
        self.formats.learn(texts.to_pylist() if self.formats.possible else ())
        masks = {} if self.formats.given is None else {"unlike": pc.equal(texts, self.formats.unlike)}
        for form in self.formats.possible:
            iso = iso_dates(texts, form)
            masks[f"impossible {form.text}"] = _impossible_dates(iso, pc.match_substring_regex(iso, DATE_PATTERN))
        return masks

    def kind(self, where: str) -> tuple[str, str]:
        """Return the kind of the column, and a warning if it may be unexpected.

        Args:
            where: Name of the table in messages.

        Returns:
            "number", "boolean", "category", "date" or "empty"; and a warning, which is empty if there is none.

        Raises:
            DataError: The cells of the column contradict each other.
        """
        if self.forced or not self.filled:
            return ("category" if self.forced else "empty"), ""
        if self._has_format(where):
            return "date", ""
        if 2 * (self.numbers + self.infinite) >= self.filled and self.infinite:
            self._refuse(where, "infinite", "an infinite number", "Write a finite number or leave the cell empty")
        if self.numbers == self.filled:
            return self._number()
        if 2 * (self.numbers + self.formatted) >= self.filled and self.formatted:
            self._refuse(
                where,
                "formatted",
                "a number with separators, a decimal comma, a currency or %",
                "Write it plainly, as in 1234.5; or name its signs, as in --decimal , --thousands .; or read the column with "
                f"categorical=({shown(self.name)},) (--categorical)",
            )
        if self.booleans == self.filled:
            return "boolean", ""
        if self.booleans and self.booleans + self.numbers == self.filled:
            self._refuse(where, "booleans", "booleans and numbers in one column", "Use only one of the two")
        if 2 * self.numbers >= self.filled:
            text = self.first["text"][1]
            # A text that is shortened or cleaned for display cannot be copied into an option.
            spoken = f"({shown(text)},)" if plain(text) == text and "  " not in text else "(that text,)"
            remedy = f"If it means no value, read with na_values={spoken}"
            remedy += f" (--na-values); if the column holds categories, with categorical=({shown(self.name)},) (--categorical)"
            self._refuse(where, "text", "not a number, in a column of numbers", remedy)
        if self.dates == self.filled:
            self._check_dates(where)
            return "date", ""
        return "category", ""

    def _has_format(self, where: str) -> bool:
        """Return whether the cells are dates of one format, given or recognized.

        Raises:
            DataError: A format was given that a cell does not have, or a day does not exist.
        """
        if self.formats.given is not None and self.formats.unlike:
            remedy = f"Correct it, or name another format (now {self.formats.given.text})"
            self._refuse(where, "unlike", "not a date of the format that was given", remedy)
        if self.formats.only is not None:
            self._refuse_impossible(where, f"impossible {self.formats.only.text}")
        return self.formats.only is not None

    def _number(self) -> tuple[str, str]:
        if self.whole and (self.large or self.leading_zero):
            why = "larger than 2^53, which would be rounded" if self.large else "that begin with 0, which would be lost"
            return (
                "category",
                f"column {shown(self.name)} is read as categories: it holds integers {why} ({shown(self.large or self.leading_zero)})",
            )
        return "number", ""

    def _check_dates(self, where: str) -> None:
        self._refuse_impossible(where, "impossible")
        if 0 < self.zoned < self.dates:
            late = max("zoned", "unzoned", key=lambda name: self.first[name])
            self._refuse(
                where, late, "times with and without a time zone in one column", "Write all of them with a time zone, or all without"
            )

    def _refuse_impossible(self, where: str, first: str) -> None:
        if first in self.first:
            remedy = f"Correct it, or read with categorical=({shown(self.name)},) (--categorical)"
            self._refuse(where, first, "a date that does not exist", remedy)

    def _refuse(self, where: str, first: str, what: str, remedy: str) -> None:
        row, text = self.first[first]
        raise DataError(what, where=location(where, row, self.name), found=shown(text), remedy=remedy)

    @property
    def by_cells(self) -> bool:
        """Whether cells decide the kind of the column: always, as it has no type."""
        return True

    def for_other_cells(self) -> Self:
        """Return the inference for converting cells that it has not seen, which may have blanks around their number."""
        self.simple = False
        return self

    def first_unfit(self, column: Any, kind: str) -> int | None:  # noqa: ANN401
        """Return the place of the first cell that cannot be read as the kind of the column, decided by other cells; `None` if all can."""
        if kind in {"category", "empty"}:
            return None
        if kind == "number":
            fits = pc.match_substring_regex(column, self.written.pattern)
        elif kind == "boolean":
            fits = pc.or_(pc.is_null(column), pc.is_in(column, value_set=BOOLEANS))
        else:
            iso = column if self.formats.only is None else iso_dates(column, self.formats.only)
            dates = pc.match_substring_regex(iso, DATE_PATTERN)
            zoned = pc.match_substring_regex(iso, WITH_TIMEZONE)
            fits = pc.and_(pc.and_(dates, pc.equal(zoned, self.zoned > 0)), pc.invert(_impossible_dates(iso, dates)))
        at = int(pc.index(pc.fill_null(fits, fill_value=True), value=False).as_py())
        return at if at >= 0 else None

    def convert(self, column: Any, kind: str) -> Any:  # noqa: ANN401
        """Convert cells to the type of the column, once the whole column has been read."""
        if kind == "empty":
            return pa.nulls(len(column), pa.float64())
        if kind == "number":
            values = column if pa.types.is_floating(column.type) else parse_numbers(plain_numbers(column, self.written))
            return pc.cast(values, pa.int64()) if self.whole and not self.gaps else values
        if kind == "boolean":
            return pc.equal(pc.utf8_lower(column), "true")
        if kind == "date":
            form = self.formats.only
            return _parse_dates(column, self.zoned > 0) if form is None else _parse_dates(iso_dates(column, form), zoned=False)
        return column


def parse_numbers(texts: Any) -> Any:  # noqa: ANN401
    """Convert strings to float64, ignoring blanks around the number."""
    return pc.cast(pc.utf8_trim(texts, characters=" \t"), pa.float64())


def _parse_dates(texts: Any, zoned: bool) -> Any:  # noqa: ANN401
    # pyarrow refuses more than six digits of a second: cut the fraction to microseconds.
    short = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    return pc.cast(pc.cast(short, pa.timestamp("us", "UTC") if zoned else MICROSECONDS), MICROSECONDS)


def _first(texts: Any, mask: Any) -> str:  # noqa: ANN401
    at = pc.index(mask, True).as_py()
    return str(texts[at].as_py()) if at >= 0 else ""


def _impossible_dates(texts: Any, dates: Any) -> Any:  # noqa: ANN401
    zoned = pc.match_substring_regex(texts, WITH_TIMEZONE)
    # Parse all texts at once; only if that fails, find the invalid ones one by one.
    try:
        for mask, has_zone in ((pc.and_(dates, zoned), True), (pc.and_(dates, pc.invert(zoned)), False)):
            _parse_dates(texts.filter(mask), has_zone)
    except pa.ArrowInvalid:
        pairs = zip(texts, dates.to_pylist(), strict=True)
        return pa.array([date is True and _is_impossible_date(text) for text, date in pairs], pa.bool_())
    return pa.array([False] * len(texts), pa.bool_())


def _is_impossible_date(text: Any) -> bool:  # noqa: ANN401
    try:
        _parse_dates(pa.array([text.as_py()], pa.string()), bool(pc.match_substring_regex(text, WITH_TIMEZONE).as_py()))
    except pa.ArrowInvalid:
        return True
    return False
