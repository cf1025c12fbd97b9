"""What every kind of column has in common."""

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
"""In place of a number of codes: a number, to be normalized; a number that is a feature already."""

FILE_ROW_INDEX = "row of the file"
"""The name of an index that counts the rows of a file from 0: with it, a part of a table knows where its rows come from."""


@dataclass(frozen=True)
class Column(ABC):
    """One column of a table, and how its cells become numbers.

    Attributes:
        name: As the table calls it.
        gaps: Whether cells were empty in training: only then does an indicator say so.
    """

    name: str
    gaps: bool = False

    kind: ClassVar[str]

    @property
    @abstractmethod
    def cardinalities(self) -> tuple[int, ...]:
        """Per number that a cell becomes how many codes it may have; `NUMERIC` or `PASSTHROUGH` where it is no code."""

    @abstractmethod
    def encode(self, cells: pd.Series[Any]) -> Array:
        """Cells (N,) as numbers (N, width), NaN where a number is missing.

        Raises:
            DataError: A cell that this kind of column cannot hold; the message names the row.
        """

    def unknown(self, cells: pd.Series[Any]) -> Counter[str]:
        """What cells hold that training had not, and how often; by default nothing is of that sort."""
        del cells
        return Counter()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind} | {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` described, but for its kind."""
        options: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**options)


def quoted_cell(value: object) -> str:
    """A cell as a message shows it: no longer than forty letters, and none that a terminal would act upon."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def first_invalid_cell(cells: pd.Series[Any], bad: NDArray[np.bool_]) -> tuple[int, str]:
    """The row, from 1 as people count, of the first cell that is no good, and the cell."""
    place = int(np.argmax(bad))
    return 1 + int(cells.index[place] if cells.index.name == FILE_ROW_INDEX else place), quoted_cell(cells.iloc[place])
