"""ATIS: queries of airline customers, with an intent per sentence and a slot tag per word."""

from __future__ import annotations

from functools import cache
from importlib.resources import files as resources
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source, SubwordTokenizer, WordTokenizer
from polytask.datasets.base import FULL, Dataset
from polytask.datasets.dataset_cache import fetch_dataset_files
from polytask.datasets.idx_format import read_decompressed
from polytask.datasets.remote_files import RemoteFile, find_remote_file, remote_files_in
from polytask.errors import DataError
from polytask.tasks import Multiclass, Tagging, Task

Texts = list[str]


@final
class Atis(Dataset):
    """Single source of 4,978 training and 893 test sentences, labeled with the intent of each sentence and the slot of each word.

    The last 500 training sentences are the development set of the usual split; they are held out for model selection. Combinations of two
    intents are separate classes, as in the publisher's files.

    Args:
        size: "full", the only size; `None` means the same.
        preprocessor: Tokenizer of the sentences, such as the `SubwordTokenizer` of a pretrained encoder; `None` means a `WordTokenizer`
            with the words of the training sentences.

    Example:
        >>> intent, slots = Atis().tasks()
        >>> len(intent.classes), len(slots.classes)
        (26, 127)
    """

    name: ClassVar[str] = "atis"
    files: ClassVar[tuple[RemoteFile, ...]] = remote_files_in("atis")
    sizes: ClassVar[tuple[str, ...]] = (FULL,)

    def __init__(self, size: str | None = None, preprocessor: WordTokenizer | SubwordTokenizer | None = None) -> None:
        super().__init__(size)
        self._coding = preprocessor

    @property
    def coding(self) -> WordTokenizer | SubwordTokenizer:
        """Tokenizer that encodes the sentences."""
        return self._coding or _default_tokenizer()

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks `intent` and `slots`."""
        intents, slots = (resources("polytask.datasets") / "samples" / "atis-labels.txt").read_text(encoding="utf-8").splitlines()
        return (Multiclass(name="intent", classes=tuple(intents.split())), Tagging(name="slots", classes=tuple(slots.split())))

    def training(self) -> tuple[Source, ...]:
        """Return the source of the training sentences, including those that are held out."""
        train, held_out = _read_part("train"), _read_part("dev")
        sentences, slots, intents = (first + second for first, second in zip(train, held_out, strict=True))
        return (_source(self.coding, sentences, slots, intents, np.arange(len(sentences)) >= len(train[0])),)

    def test(self) -> tuple[Source, ...]:
        """Return the source of the test sentences."""
        return (_source(self.coding, *_read_part("test")),)

    def describe(self) -> dict[str, Any]:
        """Return a description of the data set as JSON-compatible data."""
        return {
            "name": self.name,
            "size": self.size,
            "source questions": "4,478 training, 500 held out, and 893 test sentences",
            "task intent": "26 classes, one per sentence",
            "task slots": "127 tags, one per word",
            "from": "ATIS (Hemphill, Godfrey & Doddington, 1990), in the split of Goo et al., NAACL 2018",
        }


def _source(
    coding: WordTokenizer | SubwordTokenizer, sentences: Texts, slots: Texts, intents: Texts, held_out: NDArray[np.bool_] | None = None
) -> Source:
    codes = coding.encode(sentences)
    tags = np.full(codes.shape[:2], None, dtype=object)
    for row, (sentence, text) in enumerate(zip(sentences, slots, strict=True)):
        own = text.split()
        if len(own) != len(sentence.split()):
            found = f"{len(own)} for {len(sentence.split())} words"
            raise DataError("every word needs a tag", where=f"atis, sentence {row}", found=found)
        tags[row, : len(own)] = own
    return Source("questions", codes, {"intent": np.array(intents, dtype=object), "slots": tags}, preprocessor=coding, held_out=held_out)


@cache
def _default_tokenizer() -> WordTokenizer:
    """Return a tokenizer with the words of the training sentences, without those that are held out."""
    return WordTokenizer.fit(_read_part("train")[0])


def _read_part(part: str) -> tuple[Texts, Texts, Texts]:
    """Read sentences, their slots and their intents of the part "train", "dev" or "test"."""
    wanted = [find_remote_file("atis", f"{part}.{kind}") for kind in ("seq.in", "seq.out", "label")]
    paths = fetch_dataset_files(wanted)
    sentences, slots, intents = (read_decompressed(paths[file], file.bytes).decode().splitlines() for file in wanted)
    return sentences, slots, intents
