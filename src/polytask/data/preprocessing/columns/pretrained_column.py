"""Columns of texts that a pretrained encoder reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import pandas as pd

from polytask.data.preprocessing.columns.base import PASSTHROUGH, Array, Column
from polytask.data.preprocessing.columns.text_vectors import folder_digest, text_vectors


@final
@dataclass(frozen=True)
class PretrainedTextColumn(Column):
    """Column of texts, encoded as vectors of a pretrained Hugging Face encoder from a local folder. It needs the extra `text`.

    The vector of a text is the mean of the last features of its first 256 word pieces, scaled to the length √size; a missing text has
    zeros. Nothing is learned from any row. The vector of each distinct text is computed once and kept in memory. The column stores the
    path of the folder and a digest of its files, by which it is known again when new rows are encoded; weights are not copied.

    Attributes:
        folder: Absolute path of the folder with `config.json`, `tokenizer.json` and `model.safetensors`.
        digest: SHA-256 digest of what `sha256sum config.json tokenizer.json model.safetensors` prints in the folder.
        size: Number of features.

    Example:
        >>> column = PretrainedTextColumn("review", folder="/models/minilm", digest="0" * 64, size=384)
        >>> column.encode(pd.Series([None, None], dtype=object)).shape  # the folder is read when there is a text
        (2, 384)
    """

    folder: str = ""
    digest: str = ""
    size: int = 1

    kind: ClassVar[str] = "pretrained-text"

    @classmethod
    def of(cls, name: str, gaps: bool, folder: str | Path) -> Self:
        """Return the column for the encoder that is in a folder.

        Raises:
            StorageError: A file is missing or damaged.
            ConfigError: The extra `text` is not installed, or the encoder is unknown.
        """
        path = Path(folder).expanduser().resolve()
        digest = folder_digest(path)
        return cls(name, gaps, str(path), digest, text_vectors(str(path), digest).width)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """`size` features that are not normalized."""
        return (PASSTHROUGH,) * self.size

    def encode(self, cells: pd.Series[Any]) -> Array:
        """Encode cells (N,) as float32 features (N, size); zeros where a cell is missing.

        Raises:
            StorageError: The folder is missing, or holds another encoder than in training.
        """
        codes, distinct = pd.factorize(cells)
        vectors = np.zeros((len(distinct) + 1, self.size), dtype=np.float32)  # a missing cell has code -1, which selects the last row
        if len(distinct):
            encoder = text_vectors(self.folder, self.digest)
            vectors[:-1] = [encoder.vector(str(text)) for text in distinct]
        return np.asarray(vectors[codes])
