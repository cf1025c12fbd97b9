"""A table as one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns.base import NUMERIC, Column, first_invalid_cell
from polytask.data.preprocessing.columns.infer_column_kind import ColumnKindInference
from polytask.data.preprocessing.columns.unknown_categories import UnknownCategories
from polytask.data.preprocessing.preprocessor import Array, Preprocessor
from polytask.errors import DataError, StorageError


@final
@dataclass(frozen=True)
class TablePreprocessor(Preprocessor):
    """The columns of a table as one matrix (N, F) of float32, each in as many places as it needs.

    It learns in one pass which columns are numbers, booleans, dates, categories or texts, which categories there are, and which
    columns have gaps; numbers stay as they are, and are normalized with statistics of the training part alone.

    Attributes:
        columns: In the order of the matrix.

    Example:
        >>> table = pd.DataFrame({"age": [31.0, None], "town": ["Rome", "Oslo"]})
        >>> columns = TablePreprocessor.fit(table)
        >>> columns.encode(pd.DataFrame({"town": ["Rome", "Paris"], "age": [1, 2]})).tolist()
        [[1.0, 2.0], [2.0, 0.0]]
    """

    columns: tuple[Column, ...]

    kind: ClassVar[str] = "columns"

    @classmethod
    def fit(cls, table: pd.DataFrame, categorical: Sequence[str] = ()) -> TablePreprocessor:
        """What a table holds.

        Args:
            table: The training rows.
            categorical: Columns that hold categories, whatever they look like.

        Raises:
            DataError: A column that holds several kinds of things.
        """
        return cls.learn([table], categorical)

    @classmethod
    def learn(cls, chunks: Iterable[pd.DataFrame], categorical: Sequence[str] = ()) -> TablePreprocessor:
        """The same from the chunks of a table that need not fit into memory: each is looked at once.

        Raises:
            DataError: A column that holds several kinds of things; no column.
        """
        seen: dict[str, ColumnKindInference] = {}
        for chunk in chunks:
            for name in chunk:
                seen.setdefault(str(name), ColumnKindInference(str(name), str(name) in categorical)).update(chunk[name])
        if not seen:
            raise DataError("at least one column beside the targets is needed", where="table", found="none")
        return cls(tuple(column.column() for column in seen.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    def encode(self, raw: pd.DataFrame) -> NDArray[np.float32]:
        """A table that has these columns, in any order and among others, as a matrix (N, F).

        Raises:
            DataError: A column is missing, or holds something that it did not hold in training.
        """
        self._check_names(raw)
        matrix = np.empty((len(raw), len(self._cardinalities)), dtype=np.float32)
        place = 0
        for column in self.columns:
            width = len(column.cardinalities)
            with np.errstate(over="ignore"):  # refused below, in words
                matrix[:, place : place + width] = column.encode(raw[column.name])
            infinite = np.asarray(np.isinf(matrix[:, place : place + width]).any(axis=1))
            if infinite.any():
                row, found = first_invalid_cell(raw[column.name], infinite)
                raise DataError("a number is too large", where=f"column {column.name!r}, row {row}", found=found)
            place += width
        return matrix

    def unknown_warning(self, raw: pd.DataFrame) -> str:
        """One line on the categories of a table that training had not, or nothing: they all count as unknown."""
        new = UnknownCategories(self.columns)
        new.update(raw)
        return new.line()

    def input_spec(self) -> Mapping[str, Any]:
        """How many codes each place of the matrix has, and which numbers had gaps."""
        gaps = tuple(column.gaps for column in self.columns for _ in column.cardinalities)
        return {"cardinalities": self._cardinalities, "missing_indicators": gaps}

    def numeric_columns(self, inputs: Array) -> tuple[int, ...]:
        """The places that hold numbers to be normalized."""
        del inputs
        return tuple(place for place, count in enumerate(self._cardinalities) if count == NUMERIC)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "columns": [column.to_dict() for column in self.columns]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TablePreprocessor:
        """What `to_dict` described.

        Raises:
            StorageError: A kind of column that is not known.
        """
        kinds = {kind.kind: kind for kind in Column.__subclasses__()}
        for column in data["columns"]:
            if column.get("kind") not in kinds:
                raise StorageError("a column is of a kind that is not known", where="coding", found=column.get("kind"))
        return cls(tuple(kinds[own["kind"]].from_dict({k: v for k, v in own.items() if k != "kind"}) for own in data["columns"]))

    @property
    def _cardinalities(self) -> tuple[int, ...]:
        return tuple(count for column in self.columns for count in column.cardinalities)

    def _check_names(self, raw: pd.DataFrame) -> None:
        for name in self.names:
            if name not in raw:
                raise DataError("this column is missing", where=f"column {name!r}", found=", ".join(map(str, raw.columns)))
