"""Columns of short texts."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import PASSTHROUGH, Array, Column


@final
@dataclass(frozen=True)
class TextColumn(Column):
    """Column of short texts, encoded as hashed character n-grams.

    The features are x_j = √size · log(1 + n_j) / ‖log(1 + n)‖, where n_j is the number of n-grams with hash j. Similar texts have similar
    features, and no vocabulary is stored. Where word order matters, use the encoder `text` instead.

    Attributes:
        size: Number of features.
        shortest: Number of characters of the shortest n-grams.
        longest: Number of characters of the longest n-grams.

    Example:
        >>> vectors = TextColumn("name").encode(pd.Series(["blue chair", "blue chairs", "lamp"]))
        >>> bool(vectors[0] @ vectors[1] > 3 * vectors[0] @ vectors[2])
        True
    """

    size: int = 256
    shortest: int = 1
    longest: int = 4

    kind: ClassVar[str] = "text"

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """`size` features that are not normalized."""
        return (PASSTHROUGH,) * self.size

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as float32 features (N, size); zeros where a cell is missing."""
        codes, distinct = pd.factorize(cells)
        vectors = np.zeros((len(distinct) + 1, self.size), dtype=np.float32)  # a missing cell has code -1, which selects the last row
        for row, text in enumerate(distinct):
            counts = self._counts(str(text))
            vectors[row, list(counts)] = list(counts.values())
        np.log1p(vectors, out=vectors)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors *= np.divide(np.float32(self.size) ** 0.5, norms, out=np.zeros_like(norms), where=norms > 0)
        return np.asarray(vectors[codes])

    def _counts(self, text: str) -> Counter[int]:
        padded = f" {text} "
        lengths = range(self.shortest, self.longest + 1)
        grams = (padded[start : start + length] for length in lengths for start in range(len(padded) - length + 1))
        return Counter(zlib.crc32(gram.encode()) % self.size for gram in grams)
