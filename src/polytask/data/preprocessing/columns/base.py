"""Base class of column encoders, and the format of cells in messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]

NUMERIC, PASSTHROUGH = 0, -1
"""Special cardinalities: a number that must be normalized, and a number that is used as it is."""

FILE_ROW_INDEX = "row of the file"
"""Name of a data frame index with the row numbers of a file, from 0; errors then name the row of the file."""


@dataclass(frozen=True)
class Column(ABC):
    """Base class of encoders for one column of a table.

    Attributes:
        name: Name of the column in the table.
        gaps: Whether the column had missing cells in training; only then does the model get an indicator for missing values.
        kind: Name of the class in saved files.
    """

    name: str
    gaps: bool = False

    kind: ClassVar[str]

    @property
    @abstractmethod
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each number that encodes a cell; `NUMERIC` or `PASSTHROUGH` if that number is not a code."""

    @abstractmethod
    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as numbers (N, width), with NaN where a number is missing.

        Raises:
            DataError: A cell has an invalid value for this kind of column; the message names the row.
        """

    def unknown(self, cells: pd.Series[Any]) -> Counter[str]:
        """Count the values that did not occur in training; by default there are none."""
        del cells
        return Counter()

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON-compatible data."""
        return {"kind": self.kind} | {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Create a column from the output of `to_dict` without its entry `kind`."""
        options: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**options)


def quoted_cell(value: object) -> str:
    """Return a cell as quoted text for messages: at most 40 characters, without control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def first_invalid_cell(cells: pd.Series[Any], bad: NDArray[np.bool_]) -> tuple[int, str]:
    """Return the row number (from 1) and the quoted text of the first cell that is marked in `bad`."""
    place = int(np.argmax(bad))
    return 1 + int(cells.index[place] if cells.index.name == FILE_ROW_INDEX else place), quoted_cell(cells.iloc[place])
