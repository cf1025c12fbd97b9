"""Texts as the word pieces of a pretrained encoder."""

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
    """Texts, split at white space, as pieces of words (N, L, K): L words of at most K pieces; 0 is nothing, else a piece's number + 1.

    Everything that is needed lies in the coding itself: the tokenizer and the configuration of the encoder that it belongs to. It needs
    the extra `text`.

    Attributes:
        tokenizer: The content of `tokenizer.json`.
        config: The content of `config.json`.
        begin: The piece before a sentence, such as [CLS].
        end: The piece after it, such as [SEP].
    """

    tokenizer: str
    config: str
    begin: int
    end: int

    kind: ClassVar[str] = "pieces"

    @classmethod
    def of(cls, folder: str | Path) -> SubwordTokenizer:
        """The coding of a Hugging Face text encoder in a local folder.

        Raises:
            StorageError: A file is missing.
            ConfigError: The extra `text` is not installed, or the tokenizer puts nothing before and after a sentence.
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
            raise ConfigError("a tokenizer that puts one piece before and one after a sentence is needed", where=str(folder), found=alone)
        return cls(texts[0], texts[1], begin=alone[0], end=alone[-1])

    def encode(self, raw: Sequence[str]) -> NDArray[np.int64]:
        """Texts as codes (N, L, K).

        Raises:
            DataError: A text is no text.
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
    def _read(self) -> Any:  # noqa: ANN401 - of a library that need not be there
        return _load_tokenizer(self.tokenizer)

    def input_spec(self) -> Mapping[str, Any]:
        """The configuration of the encoder, and its pieces before and after a sentence."""
        return {"config": json.loads(self.config), "special_tokens": (self.begin, self.end)}

    def numeric_columns(self, inputs: Array) -> None:
        """None: codes are no numbers."""
        del inputs

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "tokenizer": self.tokenizer, "config": self.config, "begin": self.begin, "end": self.end}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SubwordTokenizer:
        """What `to_dict` described."""
        return cls(str(data["tokenizer"]), str(data["config"]), int(data["begin"]), int(data["end"]))


def _load_tokenizer(content: str) -> Any:  # noqa: ANN401 - of a library that need not be there
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
