"""CSV that a spreadsheet does not evaluate, and that is read back as it was."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.storage.csv_table import csv_text, unescaped

HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_neither_cells_nor_names_of_columns_are_evaluated(text: str) -> None:
    header, cell = csv.reader(io.StringIO(csv_text(pd.DataFrame({text: [text]})), newline=""))
    assert header == cell == [f"'{text}"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")) | st.sampled_from(HOSTILE))
def test_texts_come_back_as_they_were(text: str) -> None:
    (_, found) = csv.reader(io.StringIO(csv_text(pd.DataFrame({"name": [text], "number": [-1.5]})), newline=""))
    assert [unescaped(found[0]), found[1]] == [text, "-1.5"]
