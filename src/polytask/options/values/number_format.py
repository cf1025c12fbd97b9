"""Formats of numbers in text files: the decimal sign and the separator of thousands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from polytask.errors import ConfigError, shown

DECIMALS = (".", ",")
THOUSANDS = {",": "[,]", ".": "[.]", " ": "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]", "'": "['’]", "_": "[_]"}
"""Separators of thousands, and the class of characters that each stands for."""


@final
@dataclass(frozen=True)
class NumberFormat:
    """Format of the numbers in a text file.

    Attributes:
        decimal: Sign before the decimals, a point or a comma.
        thousands: Separator of groups of three digits; a blank also stands for spaces that do not break; `None` if there is none.

    Raises:
        ConfigError: A sign is not one of those, or both are the same.

    Example:
        >>> NumberFormat(",", ".").is_plain, NumberFormat().is_plain
        (False, True)
    """

    decimal: str = "."
    thousands: str | None = None

    def __post_init__(self) -> None:
        if self.decimal not in DECIMALS:
            raise ConfigError("the decimal sign must be a point or a comma", where="decimal", found=shown(self.decimal))
        if self.thousands is not None and self.thousands not in THOUSANDS:
            known = " ".join(map(repr, THOUSANDS))
            raise ConfigError(f"the separator of thousands must be one of {known}", where="thousands", found=shown(self.thousands))
        if self.thousands == self.decimal:
            raise ConfigError("must differ from the decimal sign", where="thousands", found=shown(self.thousands))

    @property
    def is_plain(self) -> bool:
        """Whether numbers have a decimal point and no separators, so that they are parsed as they are."""
        return self == NumberFormat()

    @cached_property
    def separator(self) -> str:
        """Regular expression of one separator of thousands; empty if there is none."""
        return "" if self.thousands is None else THOUSANDS[self.thousands]

    @cached_property
    def pattern(self) -> str:
        r"""Regular expression of a number, in the syntax of RE2.

        Example:
            >>> NumberFormat().pattern
            '^[ \\t]*[+-]?(\\d+[.]?\\d*|[.]\\d+)([eE][+-]?\\d+)?[ \\t]*$'
        """
        point = f"[{self.decimal}]"
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{self.separator}\d{{3}})+)" if self.separator else r"\d+"
        return rf"^[ \t]*[+-]?({whole}{point}?\d*|{point}\d+)([eE][+-]?\d+)?[ \t]*$"
