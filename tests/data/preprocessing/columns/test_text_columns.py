"""Texts among the columns of a table: how they are told from codes, names and dates, and what their features are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import TablePreprocessor
from polytask.data.preprocessing.columns import CategoricalColumn, TextColumn
from polytask.data.preprocessing.columns.text_words import hashed_ngrams, look_like_dates, mean_words, stable_hash, word_count, words_of
from polytask.data.reading import check_features

ROWS = 300
ADJECTIVES, NOUNS, VERBS = (
    ("good", "bad", "cheap", "old", "quiet"),
    ("phone", "room", "meal", "car", "film", "book"),
    ("liked", "hated", "returned"),
)
HAN = "这张椅子很好用但是价格有点贵送货快质量差"
MONTHS = ("January", "February", "March", "April", "May", "June")
WORDS, NAMES = TextColumn("x", size=1024, shortest=2, words=1), TextColumn("x")


def reviews(rows: int = ROWS) -> list[str]:
    """Sentences that all differ."""
    random = np.random.default_rng(0)
    parts = [ADJECTIVES, NOUNS, VERBS, ADJECTIVES, NOUNS]
    made = (" ".join(["I", *(str(random.choice(part)) for part in parts), "after", f"{row}", "days"]) for row in range(rows))
    return list(made)


def han(rows: int = ROWS) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(random.choice(list(HAN), size=12 + row % 5)) for row in range(rows)]


def repeated(texts: Sequence[str]) -> list[str]:
    return list(islice(cycle(texts), ROWS))


def hexes(rows: int = ROWS) -> list[str]:
    return [f"{value:016x}" for value in np.random.default_rng(0).integers(1 << 62, size=rows)]


LEVELS = "levels"
# What a column of training rows is taken for, and a part of the remark about it; "" if there is none.
KINDS: dict[str, tuple[list[Any], TextColumn | str, str]] = {
    "reviews": (reviews(), WORDS, ""),
    "a few reviews": (reviews(30), WORDS, ""),
    "reviews of which half are missing": ([text if row % 2 else None for row, text in enumerate(reviews())], WORDS, ""),
    "reviews, each five times": (repeated(reviews(60)), WORDS, ""),
    "answers of a form": (repeated(["I agree with all that was said", "I do not agree with what was said"]), LEVELS, ""),
    "twenty sentences": (repeated(reviews(20)), LEVELS, ""),
    "Chinese sentences without spaces": (han(), WORDS, ""),
    "a few Chinese sentences": (han(30), WORDS, ""),
    "Chinese cities": (repeated(["北京", "上海", "广州市"]), LEVELS, ""),
    "names": ([f"Anna {a}{b}" for a in "abcdefghijklmno" for b in "abcdefghijklmnopqrst"], NAMES, "identifier"),
    "names of products": ([f"a {a} {n} {v}x{n[::-1]}" for a in ADJECTIVES for n in NOUNS for v in VERBS], WORDS, ""),
    "short codes": ([f"A-{row:04d}" for row in range(ROWS)], NAMES, "identifier"),
    "codes of several parts": ([f"A{row} B{row % 7} C{row * 31}" for row in range(ROWS)], NAMES, "identifier"),
    "hashes": (hexes(), NAMES, "identifier"),
    "addresses of pages": ([f"https://example.org/shop/{row}?id={row}" for row in range(ROWS)], NAMES, "identifier"),
    "a few pages": (repeated(["https://example.org/shop/blue-chair", "https://example.org/about-us"]), LEVELS, ""),
    "lists of numbers": ([f"{row} 3 {row + 1} 7 12" for row in range(ROWS)], NAMES, "identifier"),
    "categories of three words": (repeated(["very good indeed", "not so good", "quite bad really"]), LEVELS, ""),
    "sixty occupations": (repeated([f"{a} {n} {v[:-1]}r" for a in ADJECTIVES for n in NOUNS for v in VERBS][:60]), LEVELS, ""),
    "dates in words": ([f"{MONTHS[row % 6]} {1 + row % 28}, {1900 + row // 3}" for row in range(ROWS)], NAMES, "write them as 2026-12-31"),
    "dates with the day first": ([f"{1 + row % 28:02d}/{1 + row % 12:02d}/{1900 + row // 3}" for row in range(ROWS)], NAMES, "2026-12-31"),
    "Chinese dates": ([f"{1900 + row // 3}年{1 + row % 12}月{1 + row % 28}日" for row in range(ROWS)], NAMES, "write them as"),
    "months with years that repeat": (repeated(["3 March 2021", "4 May 2020", "1 June 2019"]), LEVELS, "write them as"),
    "one text in 300 rows": (["I liked it very much indeed", *[None] * (ROWS - 1)], LEVELS, ""),
    "one long text among codes": ([" ".join(reviews(40)), *(["ok", "no"] * 150)][:ROWS], LEVELS, ""),
    "no text at all": ([None] * ROWS, LEVELS, "empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("dtype", ["object", "string"])
def test_what_a_column_of_strings_is_taken_for(case: str, dtype: str) -> None:
    cells, kind, remark = KINDS[case]
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=dtype)})  # type: ignore[call-overload]
    column = TablePreprocessor.fit(frame).columns[0]
    if isinstance(kind, TextColumn):
        assert (column.kind, getattr(column, "size", 0), getattr(column, "words", 0)) == ("text", kind.size, kind.words)
    else:
        assert column.kind == "category"
    found = check_features(frame, [], "t.csv")
    assert ([remark in one for one in found] == [True]) if remark else not found


@pytest.mark.parametrize("case", ["short codes", "twenty sentences", "sixty occupations", "categories of three words"])
def test_a_column_that_is_declared_a_text_is_one(case: str) -> None:
    frame = pd.DataFrame({"x": KINDS[case][0]})
    assert TablePreprocessor.fit(frame, text=["x"]).columns[0].kind == "text"
    assert TablePreprocessor.fit(frame, categorical=["x"]).columns[0].kind == "category"
    assert not check_features(frame, [], "t.csv", ["x"])
    assert not check_features(pd.DataFrame({"x": range(len(frame))}), [], "t.csv", ["x"])


def test_numbers_and_pandas_categories_can_be_declared_texts() -> None:
    frame = pd.DataFrame({"n": [1.0, 2.5, np.nan] * 20, "c": pd.Categorical(reviews(60)), 7: reviews(60)})
    found = TablePreprocessor.fit(frame.rename(columns=str), text=["n", "c"])
    assert [column.kind for column in found.columns] == ["text"] * 3
    assert found.columns[0].gaps


@pytest.mark.parametrize("empty", [pd.Series([None] * 4, dtype=dtype) for dtype in ("object", "string", "datetime64[us]")])
def test_what_only_later_rows_have_is_unknown(empty: pd.Series) -> None:
    """In training there was nothing: texts, numbers and dates that come later change nothing."""
    columns = TablePreprocessor.fit(pd.DataFrame({"x": empty, "y": [1, 2, 3, 4]}), text=["x"])
    assert columns.columns[0] == CategoricalColumn("x", gaps=True)
    for later in ("I liked it", 3.5, pd.Timestamp("2024-01-01")):
        new = pd.DataFrame({"x": [later, None], "y": [4, 4]})
        assert columns.encode(new).tolist() == [[0.0, 1.0], [0.0, 1.0]]
        assert "column 'x': 1 of 2 rows" in columns.unknown_warning(new)


@given(order=st.permutations(range(40)), cut=st.integers(1, 39))
def test_neither_the_order_of_rows_nor_chunks_matter(order: list[int], cut: int) -> None:
    frame = pd.DataFrame({"x": [*reviews(30), *hexes(10)]})
    mixed = frame.iloc[order]
    assert TablePreprocessor.learn([mixed[:cut], mixed[cut:]]) == TablePreprocessor.fit(frame)


def test_a_sample_of_many_texts_does_not_depend_on_their_order() -> None:
    texts = [*reviews(2_000), *hexes(1_000)]
    assert mean_words(texts) == mean_words(texts[::-1])
    assert mean_words(texts) == pytest.approx(np.mean([word_count(text) for text in texts]), rel=0.1)


WORD_COUNTS = {
    "A blue chair, 3 legs": 4, "AB12 7f3e9 1.5": 0, "这张椅子": 2, "iPhone 很好用": 2.5, "ขอบคุณ": 3, "의자가 좋아요": 2, "": 0, "  ": 0,
    "don't stop-me": 2, "CC(=O)Oc1ccccc1C(=O)O": 1, "00:1B:44:11:3A:B7": 0,
}  # fmt: skip


@pytest.mark.parametrize("text", WORD_COUNTS)
def test_words_are_counted(text: str) -> None:
    assert word_count(text) == WORD_COUNTS[text]


@given(st.text())
def test_words_of_any_text_are_its_letters(text: str) -> None:
    """Also lone surrogates, of which a table of another library may consist."""
    assert all(word and not word.isspace() for word in words_of(text))
    assert word_count(text) <= len(text)
    vector = WORDS.encode(pd.Series([text], name="x"))
    assert np.linalg.norm(vector.astype(float)) == pytest.approx(32.0, rel=1e-6)
    assert not look_like_dates([f"{text}x"])


def test_lone_surrogates_have_features() -> None:
    assert WORDS.encode(pd.Series(["a \ud800 b"], dtype=object)).any()


def test_texts_that_share_words_are_alike() -> None:
    texts = ["The quick phone arrived late", "late phone: the QUICK one", "Un repas froid et cher", "这张椅子很好", "椅子好"]
    column = TextColumn("x", size=2**16, shortest=2, words=1)  # so many that different n-grams hardly ever share a place
    vectors = column.encode(pd.Series(texts, name="x")).astype(float) / 2**8
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.4 > 0.25 > likeness[0, 2]
    assert likeness[3, 4] > 0.2 > 0.1 > likeness[0, 3]


def test_features_are_those_of_the_equation() -> None:
    """Of words alone: `a b a` has two a and one b, so its two features are in the ratio of log 3 to log 2."""
    column = TextColumn("x", size=4096, shortest=9, longest=8, words=1)
    vector = column.encode(pd.Series(["a B A"], name="x"))[0].astype(float)
    kept = np.sort(vector[vector > 0])
    assert np.linalg.norm(kept) == pytest.approx(64.0, rel=1e-6)
    assert kept[1] / kept[0] == pytest.approx(np.log(3) / np.log(2), rel=1e-6)
    assert np.array_equal(column.encode(pd.Series(["b a　a"], name="x"))[0], vector), "neither the order, nor case, nor the kind of blanks"


def test_features_are_the_same_in_every_process() -> None:
    """Words have the cyclic redundancy check of their bytes, of which 0x352441C2 is that of `abc`; n-grams the hash that follows."""
    assert stable_hash("abc") == 0x352441C2
    words = TextColumn("x", size=4096, shortest=9, longest=8, words=1)
    assert np.flatnonzero(words.encode(pd.Series(["abc"], name="x"))[0]).tolist() == [0x352441C2 % 4096]
    letters = TextColumn("x", size=4096, shortest=3, longest=3)
    places = {plain_hash(gram) % 4096 for gram in (" a椅", "a椅 ")}
    assert set(np.flatnonzero(letters.encode(pd.Series(["a椅"], name="x"))[0]).tolist()) == places


def plain_hash(gram: str) -> int:
    found = 2_166_136_261
    for letter in gram:
        found = (found ^ ord(letter)) * 16_777_619 % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        found = (found ^ found >> shift) * factor % 2**32
    return found ^ found >> 16


@given(texts=st.lists(st.text(max_size=6), max_size=5), longest=st.integers(1, 5))
def test_n_grams_of_many_texts_are_those_of_each(texts: list[str], longest: int) -> None:
    for length, rows, hashes in hashed_ngrams(texts, longest):
        grams = [(row, text[at : at + length]) for row, text in enumerate(texts) for at in range(len(text) - length + 1)]
        assert list(zip(rows.tolist(), hashes.tolist(), strict=True)) == [(row, plain_hash(gram)) for row, gram in grams]


def test_hashes_spread_evenly() -> None:
    """Each of 10,000 three-letter texts falls on each of 64 places with probability 1/64: χ² of 63 degrees of freedom is below 130."""
    texts = ["".join(letters) for letters in product("abcdefghijklmnopqrstuv", repeat=3)][:10_000]
    hashes = next(found for length, _, found in hashed_ngrams(texts, 3) if length == 3)
    counts = np.bincount(hashes % 64, minlength=64)
    assert ((counts - len(texts) / 64) ** 2).sum() / (len(texts) / 64) < 130


def test_a_saved_column_of_old_has_no_words() -> None:
    old = TextColumn.from_dict({"name": "x", "gaps": False, "size": 256, "shortest": 1, "longest": 4})
    assert old == TextColumn("x")
