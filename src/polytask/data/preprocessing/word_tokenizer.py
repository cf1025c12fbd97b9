"""Tokenizer that encodes texts as the codes of their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.data.preprocessing.preprocessor import Array, Preprocessor
from polytask.errors import DataError

PADDING, UNKNOWN = 0, 1
_DIGIT = re.compile(r"\d")


@final
@dataclass(frozen=True)
class WordTokenizer(Preprocessor):
    """Tokenizer that splits texts at white space and encodes each word as an integer.

    Codes have shape (N, L): 0 is padding, 1 an unknown word, and the vocabulary follows from 2 on. Words are compared in lower case with
    every digit replaced by 0, so 1000 and 2500 are the same word.

    Attributes:
        known: Words of the vocabulary, with codes from 2 on, the most frequent first.

    Example:
        >>> words = WordTokenizer.fit(["to Boston at 7", "to Dallas"])
        >>> words.encode(["from Dallas", "to Boston at 8"]).tolist()
        [[1, 6, 0, 0], [2, 3, 4, 5]]
    """

    known: tuple[str, ...]

    kind: ClassVar[str] = "words"

    @classmethod
    def fit(cls, texts: Iterable[str], min_count: int = 1) -> WordTokenizer:
        """Build the vocabulary from texts.

        Args:
            texts: Training texts.
            min_count: Minimum number of occurrences of a word.
        """
        counts = Counter(word for text in texts for word in _split_words(text))
        return cls(tuple(word for word, count in counts.most_common() if count >= min_count))

    def encode(self, raw: Sequence[str]) -> NDArray[np.int64]:
        """Encode N texts as int64 codes (N, L), where L is the number of words of the longest text.

        Raises:
            DataError: An input is not a string.
        """
        rows = [_split_words(text) for text in _check_texts(raw)]
        numbers = {word: code for code, word in enumerate(self.known, start=2)}
        codes = np.full((len(rows), max(map(len, rows), default=0) or 1), PADDING, dtype=np.int64)
        for row, words in zip(codes, rows, strict=True):
            row[: len(words)] = [numbers.get(word, UNKNOWN) for word in words]
        return codes

    def input_spec(self) -> Mapping[str, Any]:
        """Return the number of codes."""
        return {"words": 2 + len(self.known)}

    def numeric_columns(self, inputs: Array) -> None:
        """Return `None`: there are codes only."""
        del inputs

    def to_dict(self) -> dict[str, Any]:
        """Return the tokenizer as JSON-compatible data."""
        return {"kind": self.kind, "known": list(self.known)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WordTokenizer:
        """Create a tokenizer from the output of `to_dict`."""
        return cls(tuple(data["known"]))


def _split_words(text: str) -> list[str]:
    return _DIGIT.sub("0", text.lower()).split()


def _check_texts(texts: Sequence[str]) -> Sequence[str]:
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError("a text is needed", where=f"inputs, row {number}", found=repr(text))
    return texts
