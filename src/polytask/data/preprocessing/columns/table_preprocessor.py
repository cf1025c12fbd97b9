"""Preprocessor that encodes a table as one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.preprocessing.columns.base import NUMERIC, Column, first_invalid_cell
from polytask.data.preprocessing.columns.infer_column_kind import ColumnKindInference
from polytask.data.preprocessing.columns.pretrained_column import PretrainedTextColumn
from polytask.data.preprocessing.columns.unknown_categories import UnknownCategories
from polytask.data.preprocessing.preprocessor import Array, Preprocessor
from polytask.errors import ConfigError, DataError, StorageError


@final
@dataclass(frozen=True)
class TablePreprocessor(Preprocessor):
    """Preprocessor that encodes the columns of a table as one float32 matrix (N, F), where each column takes one or several places.

    Fitting takes one pass. It determines which columns are numbers, booleans, dates, categories or texts, which categories there are, and
    which columns have missing cells. Numbers are shifted by one of them and divided by a power of two in float64, before they become
    float32; `Normalization` normalizes them with statistics of the training part.

    Attributes:
        columns: Encoders of the columns, in the order of the matrix.

    Example:
        >>> table = pd.DataFrame({"age": [31.0, None], "town": ["Rome", "Oslo"]})
        >>> columns = TablePreprocessor.fit(table)
        >>> columns.encode(pd.DataFrame({"town": ["Rome", "Paris"], "age": [31, 32]})).tolist()
        [[0.0, 2.0], [1.0, 0.0]]
    """

    columns: tuple[Column, ...]

    kind: ClassVar[str] = "columns"

    @classmethod
    def fit(cls, table: pd.DataFrame, categorical: Sequence[str] = (), text: Sequence[str] = ()) -> TablePreprocessor:
        """Fit a preprocessor on a table.

        Args:
            table: Training rows, with feature columns only.
            categorical: Columns to treat as categorical regardless of their cells.
            text: Columns to treat as texts regardless of their cells.

        Raises:
            DataError: A column holds values of several types, or there is no column.
        """
        return cls.learn([table], categorical, text)

    @classmethod
    def learn(
        cls,
        chunks: Iterable[pd.DataFrame],
        categorical: Sequence[str] = (),
        text: Sequence[str] = (),
        date_formats: Mapping[str, str] = MappingProxyType({}),
        text_encoder: str | None = None,
    ) -> TablePreprocessor:
        """Fit a preprocessor on a table in chunks, which need not fit into memory together; each chunk is read once.

        Args:
            chunks: Chunks of the training rows, with feature columns only.
            categorical: Columns to treat as categorical regardless of their cells.
            text: Columns to treat as texts regardless of their cells.
            date_formats: Formats that dates had in the file, for later texts in these columns.
            text_encoder: Folder of a pretrained encoder that reads columns of texts; `None` for hashed n-grams.

        Raises:
            DataError: A column holds values of several types, or there is no column.
            ConfigError: There is no column of texts for the encoder, or it cannot be used.
            StorageError: A file of the encoder is missing or damaged.
        """
        seen: dict[str, ColumnKindInference] = {}
        for chunk in chunks:
            for label in chunk:
                name = str(label)
                new = ColumnKindInference(name, name in categorical, name in text, date_formats.get(name, ""), text_encoder)
                seen.setdefault(name, new).update(chunk[label])
        if not seen:
            raise DataError("at least one column other than the targets is needed", where="table", found="none")
        columns = tuple(column.column() for column in seen.values())
        if text_encoder is not None and not any(isinstance(column, PretrainedTextColumn) for column in columns):
            what, remedy = "there is no column of texts for this encoder", "Name one as a text, or leave the encoder out"
            raise ConfigError(what, where="text_encoder", found=text_encoder, remedy=remedy)
        return cls(columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def encode(self, raw: pd.DataFrame) -> NDArray[np.float32]:
        """Encode a table as a float32 matrix (N, F).

        Args:
            raw: Table with at least the columns of training, in any order.

        Raises:
            DataError: A column is missing, or a cell is invalid for the kind that its column had in training.
        """
        self._check_names(raw)
        matrix = np.empty((len(raw), len(self._cardinalities)), dtype=np.float32)
        place = 0
        for column in self.columns:
            width = len(column.cardinalities)
            with np.errstate(over="ignore"):  # overflow raises an error below
                matrix[:, place : place + width] = column.encode(raw[column.name])
            infinite = np.asarray(np.isinf(matrix[:, place : place + width]).any(axis=1))
            if infinite.any():
                row, found = first_invalid_cell(raw[column.name], infinite)
                raise DataError("a number is too large", where=f"column {column.name!r}, row {row}", found=found)
            place += width
        return matrix

    def unknown_warning(self, raw: pd.DataFrame) -> str:
        """Return a one-line warning about categories that did not occur in training, which are encoded as unknown; empty if none."""
        new = UnknownCategories(self.columns)
        new.update(raw)
        return new.line()

    def input_spec(self) -> Mapping[str, Any]:
        """Return the cardinality of each place of the matrix, and which places belong to columns with missing cells in training."""
        gaps = tuple(column.gaps for column in self.columns for _ in column.cardinalities)
        return {"cardinalities": self._cardinalities, "missing_indicators": gaps}

    def numeric_columns(self, inputs: Array) -> tuple[int, ...]:
        """Return the places of the matrix that hold numbers to be normalized."""
        del inputs
        return tuple(place for place, count in enumerate(self._cardinalities) if count == NUMERIC)

    def to_dict(self) -> dict[str, Any]:
        """Return the preprocessor as JSON-compatible data."""
        return {"kind": self.kind, "columns": [column.to_dict() for column in self.columns]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TablePreprocessor:
        """Create a preprocessor from the output of `to_dict`.

        Raises:
            StorageError: The kind of a column is not known.
        """
        kinds = {kind.kind: kind for kind in Column.__subclasses__()}
        for column in data["columns"]:
            if column.get("kind") not in kinds:
                raise StorageError("this kind of column is not known", where="preprocessor", found=column.get("kind"))
        return cls(tuple(kinds[own["kind"]].from_dict({k: v for k, v in own.items() if k != "kind"}) for own in data["columns"]))

    @property
    def _cardinalities(self) -> tuple[int, ...]:
        return tuple(count for column in self.columns for count in column.cardinalities)

    def _check_names(self, raw: pd.DataFrame) -> None:
        for name in self.names:
            if name not in raw:
                raise DataError("this column is missing", where=f"column {name!r}", found=", ".join(map(str, raw.columns)))
