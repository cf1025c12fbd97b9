"""Conversion of numbers and dates as people write them to the forms that are parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc

from polytask.options.values.date_format import RECOGNIZED, DateFormat
from polytask.options.values.number_format import NumberFormat


def plain_numbers(texts: Any, form: NumberFormat) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Convert numbers of a format, given as strings, to plain ones.

    Example:
        >>> plain_numbers(pa.array(["1.234,5", "-7"]), NumberFormat(",", ".")).to_pylist()
        ['1234.5', '-7']
    """
    if form.separator:
        texts = pc.replace_substring_regex(pc.utf8_trim(texts, characters=" \t"), form.separator, "")
    return texts if form.decimal == "." else pc.replace_substring(texts, form.decimal, ".")


def iso_dates(texts: Any, form: DateFormat) -> Any:  # noqa: ANN401
    """Convert dates of a format to ISO 8601; texts of another form stay as they are. Every distinct text is converted once.

    Example:
        >>> iso_dates(pa.array(["31.12.2026", None, "later"]), DateFormat("%d.%m.%Y")).to_pylist()
        ['2026-12-31', None, 'later']
    """
    coded = texts.dictionary_encode()
    written = coded.dictionary.to_pylist()
    return pa.array([form.iso(text) or text for text in written], pa.string()).take(coded.indices)


@final
class DateFormats:
    """Formats of dates that all cells of a column have, of those that are possible.

    Attributes:
        given: Format that the user named; `None` if it is to be recognized.
        possible: Formats of all cells so far.
        unlike: First cell that is not of the format that the user named; empty if there is none.

    Example:
        >>> formats = DateFormats()
        >>> formats.learn(["03/04/2026", "11/12/2026"])
        >>> [form.text for form in formats.possible], formats.only
        (['%d/%m/%Y', '%m/%d/%Y'], None)
        >>> formats.learn(["31/12/2026"])
        >>> formats.only
        DateFormat(text='%d/%m/%Y')
    """

    def __init__(self, given: DateFormat | None = None) -> None:
        self.given, self.unlike = given, ""
        self.possible: tuple[DateFormat, ...] = RECOGNIZED if given is None else (given,)

    def learn(self, texts: Sequence[str]) -> None:
        """Drop the formats that one of the cells does not have."""
        if self.given is not None and not self.unlike:
            self.unlike = next((text for text in texts if self.given.iso(text) is None), "")
        self.possible = tuple(form for form in self.possible if all(form.iso(text) is not None for text in texts))

    @property
    def only(self) -> DateFormat | None:
        """The format that all cells have, if there is exactly one."""
        return self.possible[0] if len(self.possible) == 1 else None
