"""Tokenizer that encodes texts as the word pieces of a pretrained encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.data.preprocessing.preprocessor import Array, Preprocessor
from polytask.errors import ConfigError, DataError, StorageError

MAX_SUBWORDS_PER_WORD = 12


@final
@dataclass(frozen=True)
class SubwordTokenizer(Preprocessor):
    """Tokenizer that splits texts at white space and encodes each word as word pieces.

    Codes have shape (N, L, K): L words of at most K pieces each. Code 0 is padding, and other codes are piece ids plus 1. A word keeps
    at most its first 12 pieces. The object contains the tokenizer and the configuration of its encoder, so it needs no other files. It
    requires the extra `text`.

    Attributes:
        tokenizer: Content of `tokenizer.json`.
        config: Content of `config.json`.
        begin: Piece id of the token before a sentence, such as [CLS].
        end: Piece id of the token after a sentence, such as [SEP].
    """

    tokenizer: str
    config: str
    begin: int
    end: int

    kind: ClassVar[str] = "pieces"

    @classmethod
    def of(cls, folder: str | Path) -> SubwordTokenizer:
        """Load the tokenizer of a Hugging Face text encoder.

        Args:
            folder: Local folder with `tokenizer.json` and `config.json`.

        Raises:
            StorageError: A file is missing.
            ConfigError: The extra `text` is not installed, or the tokenizer does not add exactly one token before and after a sentence.
        """
        texts = []
        for name in ("tokenizer.json", "config.json"):
            path = Path(folder) / name
            if not path.is_file():
                remedy = "Give a folder with tokenizer.json, config.json and model.safetensors"
                raise StorageError("this file is missing", where=str(path), remedy=remedy)
            texts.append(path.read_text(encoding="utf-8"))
        alone = _load_tokenizer(texts[0]).encode("a").ids
        plain = _load_tokenizer(texts[0]).encode("a", add_special_tokens=False).ids
        if len(alone) != len(plain) + 2:
            raise ConfigError("a tokenizer that adds one token before and one after a sentence is needed", where=str(folder), found=alone)
        return cls(texts[0], texts[1], begin=alone[0], end=alone[-1])

    def encode(self, raw: Sequence[str]) -> NDArray[np.int64]:
        """Encode N texts as int64 codes (N, L, K), with L and K those of the longest text and word.

        Raises:
            DataError: An input is not a string.
        """
        rows = []
        for number, text in enumerate(raw):
            if not isinstance(text, str):
                raise DataError("a text is needed", where=f"inputs, row {number}", found=repr(text))
            rows.append([self._pieces_of(word) for word in text.split()])
        longest = max((len(row) for row in rows), default=0) or 1
        most = max((len(word) for row in rows for word in row), default=0) or 1
        codes = np.zeros((len(rows), longest, most), dtype=np.int64)
        for place, row in zip(codes, rows, strict=True):
            for slot, word in zip(place, row, strict=False):
                slot[: len(word)] = word
        return codes

    def _pieces_of(self, word: str) -> list[int]:
        known: dict[str, list[int]] = self._known
        if word not in known:
            known[word] = [number + 1 for number in self._read.encode(word, add_special_tokens=False).ids[:MAX_SUBWORDS_PER_WORD]]
        return known[word]

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _read(self) -> Any:  # noqa: ANN401 - type of an optional library
        return _load_tokenizer(self.tokenizer)

    def input_spec(self) -> Mapping[str, Any]:
        """Return the configuration of the encoder, and the piece ids before and after a sentence."""
        return {"config": json.loads(self.config), "special_tokens": (self.begin, self.end)}

    def numeric_columns(self, inputs: Array) -> None:
        """Return `None`: there are codes only."""
        del inputs

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as JSON-compatible data."""
        return {"kind": self.kind, "tokenizer": self.tokenizer, "config": self.config, "begin": self.begin, "end": self.end}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SubwordTokenizer:
        """Create a tokenizer from the output of `to_dict`."""
        return cls(str(data["tokenizer"]), str(data["config"]), int(data["begin"]), int(data["end"]))


def _load_tokenizer(content: str) -> Any:  # noqa: ANN401 - type of an optional library
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ConfigError(
            "pretrained text encoders need another package", where="tokenizers", remedy="pip install 'polytask[text]'"
        ) from None
    made = Tokenizer.from_str(content)
    made.no_padding()
    made.no_truncation()
    return made
