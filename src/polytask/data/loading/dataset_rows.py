"""Inputs that are read from a map-style data set whenever they are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polytask.data.input_entries import Inputs, RowReader, map_entries
from polytask.data.loading.dataset_items import DatasetItems


@dataclass(frozen=True, eq=False)
class DatasetRows(RowReader):
    """Inputs of some items of a map-style data set.

    Attributes:
        items: Items of the data set.
        example: Inputs (1, ...) of its first item.
        indices: (N,) indices of the items.
    """

    items: DatasetItems
    example: Inputs
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, rows: NDArray[np.int64]) -> Inputs:
        """Return the inputs of rows as arrays.

        Raises:
            DataError: An item cannot be read, or has another form than the first one.
        """
        indices = self.indices[rows].tolist()
        if not indices:
            return map_entries(lambda array: array[:0], self.example)
        return self.items.stacked([inputs for inputs, _ in self.items.read(indices)], self.example, indices)

    def take(self, rows: NDArray[np.int64]) -> DatasetRows:
        """Return a reader of the given rows only."""
        return replace(self, indices=self.indices[rows])
