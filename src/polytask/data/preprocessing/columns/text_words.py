"""Words of texts: they tell texts from codes, also where words are not separated by spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

WORDS_OF_A_TEXT = 3
"""Mean number of words per distinct cell from which cells are texts, even if all differ; shorter ones may be names or codes."""
WORDS_OF_A_SENTENCE = 5
"""Mean number of words per distinct cell from which cells are sentences, of which even few rows are seldom alike."""
LARGEST_SAMPLE = 1_000
SHARE_OF_DATES = 0.9

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Japanese and Chinese.
_DENSE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_DENSE_LETTER = re.compile(f"[{_DENSE}]")
_WORD = re.compile(rf"[{_DENSE}]|(?:(?![{_DENSE}])\w)+")
_MONTHS = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(\w+,? )?\d{{1,2}}(st|nd|rd|th)?[ .-]+{_MONTHS}[ .,-]+\d{{2,4}}\b.*|(\w+,? )?{_MONTHS}\.? \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}\b.*"
    r"|\d{1,2}(?P<mark>[./-])\d{1,2}(?P=mark)(\d{2}|\d{4})(\D.*)?|\d{4}(?P<sign>[./])\d{1,2}(?P=sign)\d{1,2}(\D.*)?"
    r"|\d{4}年\d{1,2}月(\d{1,2}日.*)?",
    re.IGNORECASE,
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case; every letter of a script that is written without spaces is one.

    Letters of several forms are unified (Unicode's NFKC).

    Example:
        >>> words_of("A blue Chair, 3 legs"), words_of("很好")
        (['a', 'blue', 'chair', '3', 'legs'], ['很', '好'])
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def word_count(text: str) -> float:
    """Count the words of a text: parts between blanks that consist of letters for the most part, such as `chair,` but not `AB-12`.

    Two letters of a script that is written without spaces count as one word.

    Example:
        >>> word_count("A blue chair, 3 legs"), word_count("AB12 7f3e9"), word_count("这张椅子很好"), word_count("https://a.org/b")
        (4, 0, 3.0, 1)
    """
    dense = len(_DENSE_LETTER.findall(text))
    parts = (_DENSE_LETTER.sub(" ", text) if dense else text).split()
    words = sum(2 * sum(map(str.isalpha, part)) > len(part) for part in parts)
    return words + dense / 2 if dense else words


def mean_words(texts: Iterable[str]) -> float:
    """Return the mean number of words of distinct texts; of a sample that depends on neither their order nor a seed if there are many.

    Example:
        >>> mean_words(["blue chair", "a large red chair"])
        3.0
    """
    found = _sampled(texts)
    return sum(map(word_count, found)) / len(found) if found else 0.0


def look_like_dates(texts: Iterable[str]) -> bool:
    """Return whether nearly all distinct texts are dates in words or with the day first, which are not read as dates.

    Example:
        >>> look_like_dates(["3 March 2021", "12 May 2020"]), look_like_dates(["31.12.2020"]), look_like_dates(["1.12", "a"])
        (True, True, False)
    """
    found = _sampled(texts)
    return bool(found) and sum(_DATE.fullmatch(text.strip()) is not None for text in found) >= SHARE_OF_DATES * len(found)


def stable_hash(text: str) -> int:
    """Return a hash of a text that is the same in every process and on every machine."""
    return crc32(text.encode("utf-8", "surrogatepass"))


def hashed_ngrams(texts: Sequence[str], longest: int) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for each length from 1 to `longest`, the row of each n-gram of characters, and its hash, a number below 2³².

    The hash is that of Fowler, Noll and Vo over the code points, h ← (h ⊕ c) · 16777619 modulo 2³², with the last step of MurmurHash3
    behind it, since lower bits alone depend on lower bits only. It is the same in every process and on every machine.

    Example:
        >>> [(length, rows.tolist()) for length, rows, hashes in hashed_ngrams(["abc", "d"], 2)]
        [(1, [0, 0, 0, 1]), (2, [0, 0])]
    """
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    counts = np.array([len(text) for text in texts], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), counts)
    left = np.repeat(np.cumsum(counts), counts) - np.arange(len(letters))
    hashes = np.full(len(letters), 2_166_136_261, dtype=np.uint32)
    for length in range(1, longest + 1):
        kept = max(0, len(letters) - length + 1)
        hashes = (hashes[:kept] ^ letters[length - 1 :]) * np.uint32(16_777_619)
        inside = left[:kept] >= length  # n-grams do not reach into the next text
        yield length, rows[:kept][inside], _mixed(hashes[inside]).astype(np.int64)


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the finalizer of MurmurHash3."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return hashes ^ (hashes >> np.uint32(16))


def _sampled(texts: Iterable[str]) -> list[str]:
    return nsmallest(LARGEST_SAMPLE, texts, key=lambda text: (stable_hash(text), text))
