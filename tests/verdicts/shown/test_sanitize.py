from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.verdicts.shown.sanitize import clean_text


@given(st.text(alphabet=st.characters()))
def test_nothing_unseen_is_left_and_cleaning_twice_changes_nothing(text: str) -> None:
    cleaned = clean_text(text)
    assert not [letter for letter in cleaned if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert clean_text(cleaned) == cleaned


@given(st.text(alphabet="abcäöü漢字ñ ,.-_<>&'\"0123456789", max_size=30))
def test_ordinary_text_stays(text: str) -> None:
    assert clean_text(text) == " ".join(f"|{text}|".split())[1:-1]


@pytest.mark.parametrize(
    ("hostile", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07name", "name"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b1mbold", "bold"),
        ("gar\u202ement", "garment"),
        ("two\nlines\r\n", "two lines "),
        ("\ud800half", "half"),
        ("zero\u200bwidth", "zerowidth"),
        (7, "7"),
    ],
)
def test_escape_sequences_go_as_a_whole(hostile: object, clean: str) -> None:
    assert clean_text(hostile) == clean
