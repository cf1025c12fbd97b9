"""Columns of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import pandas as pd

from polytask.data.memmap import row_slices
from polytask.data.preprocessing.columns.base import PASSTHROUGH, Array, Column
from polytask.data.preprocessing.columns.text_words import WORDS_OF_A_TEXT, hashed_ngrams, stable_hash, words_of

SIZE_OF_TEXTS = 1_024
"""Number of features of a column of texts of several words."""
TEXTS_AT_ONCE = 64


@final
@dataclass(frozen=True)
class TextColumn(Column):
    """Column of texts, encoded as hashed n-grams of characters and words.

    The features are x_j = √size · log(1 + n_j) / ‖log(1 + n)‖, where n_j is the number of n-grams with hash j. Similar texts have similar
    features, and nothing is learned from any row: no vocabulary and no frequencies are stored. N-grams of words are those of their lower
    case; every letter of a script that is written without spaces, such as Chinese, is a word. Where word order matters, use the encoder
    `text` instead.

    Attributes:
        size: Number of features.
        shortest: Number of characters of the shortest n-grams.
        longest: Number of characters of the longest n-grams.
        words: Number of words of the longest n-grams of words; 0 means none.

    Example:
        >>> vectors = TextColumn("name").encode(pd.Series(["blue chair", "blue chairs", "lamp"]))
        >>> bool(vectors[0] @ vectors[1] > 2 * vectors[0] @ vectors[2])
        True
    """

    size: int = 256
    shortest: int = 1
    longest: int = 4
    words: int = 0

    kind: ClassVar[str] = "text"

    @classmethod
    def for_texts(cls, name: str, gaps: bool, words: float) -> Self:
        """Return the column for texts with this mean number of words.

        Names and codes get 256 n-grams of 1 to 4 characters, and texts of several words 1,024 n-grams of 2 to 4 characters and their
        words.
        """
        return cls(name, gaps) if words < WORDS_OF_A_TEXT else cls(name, gaps, SIZE_OF_TEXTS, shortest=2, words=1)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """`size` features that are not normalized."""
        return (PASSTHROUGH,) * self.size

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as float32 features (N, size); zeros where a cell is missing."""
        codes, distinct = pd.factorize(cells)
        texts = [str(text) for text in distinct]
        vectors = np.zeros((len(texts) + 1, self.size), dtype=np.float32)  # a missing cell has code -1, which selects the last row
        for part in row_slices(len(texts), TEXTS_AT_ONCE):
            vectors[part] = self._counts(texts[part])
        np.log1p(vectors, out=vectors)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors *= np.divide(np.float32(self.size) ** 0.5, norms, out=np.zeros_like(norms), where=norms > 0)
        return np.asarray(vectors[codes])

    def _counts(self, texts: Sequence[str]) -> Array:
        """Count the n-grams of each hash in each text (N, size)."""
        counts = np.zeros((len(texts), self.size), dtype=np.int64)
        for length, rows, hashes in hashed_ngrams([f" {text} " for text in texts], self.longest):
            if length >= self.shortest:
                counts += np.bincount(rows * self.size + hashes % self.size, minlength=counts.size).reshape(counts.shape)
        for row, text in enumerate(texts if self.words else ()):
            words = words_of(text)
            grams = (" ".join(words[at : at + length]) for length in range(1, self.words + 1) for at in range(len(words) - length + 1))
            np.add.at(counts[row], [stable_hash(gram) % self.size for gram in grams], 1)
        return counts
