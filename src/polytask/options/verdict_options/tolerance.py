"""Loss per task that training one network, instead of one per task, may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from polytask.errors import ConfigError

DEFAULT_TOLERANCE = "0.5"
"""Margins per task that one network instead of one per task is worth."""


@dataclass(frozen=True)
class Tolerance:
    """Loss per task that one network instead of one per task is worth.

    Attributes:
        amount: Number of margins, or percent of the single-task metric.
        percent: Whether the amount is in percent.

    Example:
        >>> Tolerance.parse("1%"), Tolerance.parse(0.5).text, Tolerance.parse("1 %").option
        (Tolerance(amount=1.0, percent=True), '0.5 margins', '1%')
    """

    amount: float
    percent: bool = False

    @classmethod
    def parse(cls, given: float | str) -> Tolerance:
        """Read a number of margins, or a percentage such as "1%".

        Raises:
            ConfigError: It is neither.
        """
        text = str(given).strip()
        try:
            amount = float(text.removesuffix("%"))
        except ValueError:
            amount = math.nan
        if not 0 <= amount < math.inf:
            what, remedy = "a tolerance must be a number of margins or a percentage, at least 0", 'Write 0.5 for half a margin, or "1%"'
            raise ConfigError(what, where="tolerate", found=given, remedy=remedy)
        return cls(amount, text.endswith("%"))

    @property
    def option(self) -> str:
        """The tolerance as the option `--tolerate` takes it."""
        return f"{self.amount:g}{'%' if self.percent else ''}"

    @property
    def text(self) -> str:
        """The tolerance in words."""
        return f"{self.amount:g} %" if self.percent else f"{self.amount:g} margin{'' if self.amount == 1 else 's'}"

    def of(self, value: float, margin: float) -> float:
        """Return the tolerated loss of a task in the unit of its metric, from its single-task value and its margin."""
        return self.amount * (abs(value) / 100 if self.percent else margin)


def tolerance_text(value: object) -> object:
    """Return a tolerance as text, for the validation of option models; a value of another type is returned unchanged.

    Raises:
        ValueError: It is neither a number of margins nor a percentage.

    Example:
        >>> tolerance_text(0.5), tolerance_text("1%")
        ('0.5', '1%')
    """
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            Tolerance.parse(value)
        except ConfigError as error:
            raise ValueError(error.what) from None
        return str(value)
    return value


ToleranceOption = Annotated[str, BeforeValidator(tolerance_text)]
"""A tolerance as an option: its text, which may be given as a number."""
