"""Every kind of column, coded by hand, and what one pass over chunks learns of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Normalization, Source, TablePreprocessor, preprocessor_from_dict
from polytask.data.preprocessing import normalization
from polytask.data.preprocessing.columns import BooleanColumn, CategoricalColumn, Column, DateColumn, NumericColumn, TextColumn
from polytask.errors import DataError, StorageError

NAN = float("nan")


def series(cells: Sequence[Any], dtype: str | None = None) -> pd.Series[Any]:
    return pd.Series(list(cells), dtype=dtype, name="x")  # type: ignore[call-overload,no-any-return]


def only(cells: pd.Series[Any], *categories: str) -> Column:
    """What a table of this column alone is taken for."""
    return TablePreprocessor.fit(cells.to_frame("x"), categories).columns[0]


KINDS: dict[str, tuple[Sequence[Any], str | None, Column]] = {
    "whole numbers": ([3, 1], None, NumericColumn("x", center=1.0, scale=2.0)),
    "numbers and a gap": ([3.5, None], None, NumericColumn("x", gaps=True, center=3.5)),
    "pandas' whole numbers and a gap": ([3, None], "Int64", NumericColumn("x", gaps=True, center=3.0)),
    "pandas' fractions": ([3.5, 1.0], "Float64", NumericColumn("x", center=1.0, scale=4.0)),
    "numbers as objects": ([3, None, 1.5], "object", NumericColumn("x", gaps=True, center=1.5, scale=2.0)),
    "no number at all": ([None, None], "float64", NumericColumn("x", gaps=True)),
    "nothing at all": ([None, None], "object", CategoricalColumn("x", gaps=True)),
    "no date at all": ([None, None], "datetime64[us]", CategoricalColumn("x", gaps=True)),
    "true and false": ([True, False], None, BooleanColumn("x")),
    "pandas' true and false and a gap": ([True, None], "boolean", BooleanColumn("x", gaps=True)),
    "true and false as objects": ([True, None, False], "object", BooleanColumn("x", gaps=True)),
    "words as objects": (["b", "a", None], "object", CategoricalColumn("x", gaps=True, levels=("a", "b"))),
    "words as pandas' strings": (["b", "a", None], "string", CategoricalColumn("x", gaps=True, levels=("a", "b"))),
    "pandas' categories": (["b", "a", None], "category", CategoricalColumn("x", gaps=True, levels=("a", "b"))),
    "pandas' categories of numbers": ([7, 10, None], "category", CategoricalColumn("x", gaps=True, levels=("10", "7"))),
    "dates": ([datetime(2024, 2, 29), None], "datetime64[us]", DateColumn("x", gaps=True, center=8825.0)),
    "dates of Python as objects": ([date(2024, 2, 29), date(2023, 1, 1)], "object", DateColumn("x", center=8401.0)),
    "times": ([datetime(2024, 2, 29, 6), datetime(2024, 2, 29)], "datetime64[ns]", DateColumn("x", hours=True, center=8825.0)),
    "times with a zone": ([pd.Timestamp("2024-02-29T06:30Z"), None], None, DateColumn("x", gaps=True, hours=True, center=8825.0)),
    "many texts": ([f"a text of its own, {row}" for row in range(51)], "object", TextColumn("x", size=1024, shortest=2, words=1)),
    "many codes": ([f"code{row}" for row in range(51)], "object", TextColumn("x")),
    "50 words are categories": (
        [f"{row:02}" for row in range(50)],
        "object",
        CategoricalColumn("x", levels=tuple(f"{n:02}" for n in range(50))),
    ),
}


@pytest.mark.parametrize("case", KINDS)
def test_what_a_column_is_taken_for(case: str) -> None:
    cells, dtype, expected = KINDS[case]
    assert only(series(cells, dtype)) == expected


def test_texts_repeat_less_than_every_second_time() -> None:
    words = [f"word {row}" for row in range(60)]
    assert isinstance(only(series(words * 2)), CategoricalColumn)
    assert isinstance(only(series(words + words[:59])), TextColumn)
    assert isinstance(only(series(words), "x"), CategoricalColumn), "said to be categories"


AS_WRITTEN = [[2.0, 3.0, 1, 1], [NAN, NAN, 0, 0]]

ENCODED: dict[str, tuple[Column, Sequence[Any], str | None, list[list[float]]]] = {
    "numbers": (NumericColumn("x"), [3, -1.5], None, [[3.0], [-1.5]]),
    "numbers beside gaps": (NumericColumn("x"), [3, None], "Int64", [[3.0], [NAN]]),
    "numbers as objects": (NumericColumn("x"), [3, None, 2.5], "object", [[3.0], [NAN], [2.5]]),
    "numbers as texts": (NumericColumn("x"), ["3", None], "object", [[3.0], [NAN]]),
    "pandas' booleans": (BooleanColumn("x"), [True, None, False], "boolean", [[1.0], [NAN], [0.0]]),
    "numpy's booleans": (BooleanColumn("x"), [True, False], "bool", [[1.0], [0.0]]),
    "booleans as words": (BooleanColumn("x"), ["TRUE", "false", None], "string", [[1.0], [0.0], [NAN]]),
    "booleans as numbers": (BooleanColumn("x"), [1, 0.0, None], None, [[1.0], [0.0], [NAN]]),
    "words": (CategoricalColumn("x", levels=("a", "b")), ["b", "c", None, "a"], "object", [[2], [0], [0], [1]]),
    "pandas' strings": (CategoricalColumn("x", levels=("a", "b")), ["b", None], "string", [[2], [0]]),
    "pandas' categories": (CategoricalColumn("x", levels=("a", "b")), ["b", None], "category", [[2], [0]]),
    "numbers that are categories": (CategoricalColumn("x", levels=("7", "8")), [8, 7], "int64", [[2], [1]]),
    "written with decimals": (CategoricalColumn("x", levels=("7", "8")), ["8.0", "7.5"], "object", [[2], [0]]),
    "learned with decimals": (CategoricalColumn("x", levels=("7.0", "8.0")), [8, 7], "int64", [[2], [1]]),
    "centered": (NumericColumn("x", center=1e8, scale=4.0), [1e8 + 3, None], None, [[0.75], [NAN]]),
    "the same beside a gap": (CategoricalColumn("x", levels=("7", "8")), [8, None, 7], "float64", [[2], [0], [1]]),
    "the same as pandas has them": (CategoricalColumn("x", levels=("7", "8")), [8, None, 7], "Int64", [[2], [0], [1]]),
    "true and false as categories": (CategoricalColumn("x", levels=("False", "True")), [True, False], "bool", [[2], [1]]),
    # 2024-02-29 is the 366 · 6 + 365 · 18 + 59th day after 2000-01-01, and a Thursday.
    "a date": (DateColumn("x"), ["2024-02-29", None], "object", [[8825.0, 29.0, 2, 4], [NAN, NAN, 0, 0]]),
    "a date before 2000": (DateColumn("x"), [datetime(1999, 12, 31)], "datetime64[ns]", [[-1.0, 31.0, 12, 5]]),
    "a time": (DateColumn("x", hours=True), ["2000-01-03T18:30"], "object", [[2 + 18.5 / 24, 3.0, 1, 1, 18.5]]),
    "times that training had not": (DateColumn("x"), ["2000-01-03T12:00"], "object", [[2.5, 3.0, 1, 1]]),
    "a time with a zone": (DateColumn("x", hours=True), ["2000-01-01T01:00+02:00"], "object", [[-1 / 24, 31.0, 12, 5, 23.0]]),
    **{
        f"a date of a format in cells of the type {dtype}": (DateColumn("x", form="%d.%m.%Y"), ["03.01.2000", None], dtype, AS_WRITTEN)
        for dtype in ("object", "str", "string", "category")
    },
    "dates beside a format": (DateColumn("x", form="%d.%m.%Y"), [datetime(2000, 1, 3), None], "datetime64[us]", AS_WRITTEN),
    "no date at all": (DateColumn("x", hours=True), [None, None], "float64", [[NAN, NAN, 0, 0, NAN]] * 2),
}


@pytest.mark.parametrize("case", ENCODED)
def test_cells_become_these_numbers(case: str) -> None:
    column, cells, dtype, expected = ENCODED[case]
    encoded = column.encode(series(cells, dtype))
    assert encoded.shape == (len(cells), len(column.cardinalities))
    assert np.allclose(encoded.astype(float), expected, rtol=1e-12, atol=0, equal_nan=True)


def test_zones_are_no_matter() -> None:
    """One moment, however it is written."""
    moment = pd.Timestamp("2024-03-31T00:30Z")
    column = DateColumn("x", hours=True)
    written = [moment, moment.tz_convert("Asia/Tokyo"), moment.tz_convert("Pacific/Auckland")]
    encoded = [column.encode(series([time])) for time in written] + [column.encode(series(["2024-03-30T20:30-04:00"]))]
    assert all(np.array_equal(own, encoded[0]) for own in encoded)


def test_whole_numbers_are_the_same_category_beside_a_gap_and_without() -> None:
    whole, gaps = series([7, 8, 7]), series([7, 8, None])
    assert only(whole, "x") == CategoricalColumn("x", levels=("7", "8"))
    assert only(gaps, "x") == CategoricalColumn("x", gaps=True, levels=("7", "8"))
    assert only(series([7.5, 8.0]), "x") == CategoricalColumn("x", levels=("7.5", "8"))


REFUSED: dict[str, tuple[Column, Sequence[Any], str]] = {
    "a word among numbers": (NumericColumn("x"), [1, None, "many"], "column 'x', row 3: a number is needed .found 'many'."),
    "true among numbers": (NumericColumn("x"), [True, False], "column 'x', row 1: a number is needed .found 'True'."),
    "infinity": (NumericColumn("x"), [1.0, float("-inf")], "column 'x', row 2: a finite number is needed"),
    "a date among numbers": (NumericColumn("x"), [1, datetime(2024, 1, 1)], "column 'x', row 2: a number is needed"),
    "neither yes nor no": (BooleanColumn("x"), [True, None, "perhaps"], "column 'x', row 3: true or false is needed .found 'perhaps'."),
    "two": (BooleanColumn("x"), [1, 0, 2], "column 'x', row 3"),
    "no date": (DateColumn("x"), ["2024-01-01", None, "soon"], "column 'x', row 3: a date is needed .found 'soon'."),
    "a day that there is not": (DateColumn("x"), ["2023-02-29"], "column 'x', row 1"),
    "a number is no date": (DateColumn("x"), [None, 20240101], "column 'x', row 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_cell_that_does_not_fit_is_one_line_with_its_row(case: str) -> None:
    column, cells, text = REFUSED[case]
    with pytest.raises(DataError, match=text) as caught:
        column.encode(series(cells))
    assert len(str(caught.value).splitlines()) == 1


def test_a_number_beyond_float32_is_named_and_not_made_infinite() -> None:
    table = pd.DataFrame({"a": 1.0, "x": [*range(8), 1e41]})
    with pytest.raises(DataError, match="column 'x', row 9: a number is too large"):
        TablePreprocessor.fit(table).encode(table)


EXACT = np.random.default_rng(0).integers(0, 2**14, size=90) / 2**10


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**-30, 1.0, 2.0**200, -1.0])
@pytest.mark.parametrize("shift", [0.0, 1e8, 2.0**36, -3.0])
def test_a_constant_or_a_factor_on_a_column_changes_no_bit(shift: float, factor: float) -> None:
    plain, moved = pd.DataFrame({"x": EXACT}), pd.DataFrame({"x": (EXACT + shift) * factor})
    encoded = TablePreprocessor.fit(plain).encode(plain)
    found = TablePreprocessor.fit(moved).encode(moved)
    if factor > 0:
        assert np.array_equal(found, encoded)
    else:  # the lower of two middle numbers is the upper one of the others
        assert np.array_equal(np.diff(found[:, 0]), -np.diff(encoded[:, 0]))
    assert Normalization.of(Source("x", found, {}, preprocessor=TablePreprocessor.fit(moved))).deviation[0] > 0


def test_seconds_of_times_stay_apart() -> None:
    table = pd.DataFrame({"at": pd.Timestamp("2024-02-29T12:00") + pd.to_timedelta(np.arange(100), unit="s")})
    days = TablePreprocessor.fit(table).encode(table)[:, 0]
    assert np.allclose(np.diff(days.astype(float)), 1 / 86_400, rtol=0.01)


MIXED: dict[str, tuple[list[pd.Series[Any]], str]] = {
    "a word after numbers": ([series([1, None, "a"])], "column 'x', row 3.*'1' and 'a'"),
    "a number after words": ([series(["a", "b", 2])], "column 'x', row 3"),
    "true after words": ([series(["a", True])], "column 'x', row 2"),
    "in a later chunk": ([series([1, 2]), series(["a", 2])], "column 'x', row 4"),
    "numbers, then words": ([series([1, 2]), series(["a", "b"])], "column 'x'.*number and text"),
    "booleans, then dates": ([series([True]), series([datetime(2024, 1, 1)])], "column 'x'.*boolean and date"),
    "lists": ([series([[1], [2]])], "column 'x', row 1"),
}


@pytest.mark.parametrize("case", MIXED)
def test_a_column_of_several_kinds_is_one_line(case: str) -> None:
    chunks, text = MIXED[case]
    with pytest.raises(DataError, match=text) as caught:
        TablePreprocessor.learn(chunk.to_frame("x") for chunk in chunks)
    assert len(str(caught.value).splitlines()) == 1


def test_a_cell_in_a_message_is_short_and_printable() -> None:
    with pytest.raises(DataError) as caught:
        NumericColumn("x").encode(series(["\x1b[31m" + "long " * 100]))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 120


def test_no_column_at_all_is_one_line() -> None:
    with pytest.raises(DataError, match="at least one column other than the targets"):
        TablePreprocessor.fit(pd.DataFrame(index=range(3)))


def test_of_thousands_of_levels_the_most_frequent_stay() -> None:
    often = [f"often {row:04}" for row in range(900)]
    rare = [f"rare {row:04}" for row in range(2_000)]
    cells = series([*rare, *(often * 5)])
    column = only(cells)
    assert isinstance(column, CategoricalColumn)
    assert len(column.levels) == 1_000
    assert set(often) < set(column.levels)
    assert column.levels == tuple(sorted(column.levels))
    assert column.encode(cells)[:, 0].max() == 1_000
    assert (column.encode(cells) == 0).sum() == 1_900


def test_which_of_equally_frequent_levels_stay_does_not_depend_on_chunks() -> None:
    cells = series(np.random.default_rng(0).permutation([f"{row:04}" for row in range(2_000)] * 2)).to_frame("x")
    whole = TablePreprocessor.fit(cells)
    assert TablePreprocessor.learn(cells[start : start + 700] for start in range(0, 4_000, 700)) == whole


def test_levels_that_no_row_has_are_not_learned() -> None:
    """Of a part of a table pandas still knows the categories of the whole."""
    whole = series(["a", "b", "a"], "category")
    part = whole[whole == "a"]
    assert only(part) == CategoricalColumn("x", levels=("a",))
    assert TablePreprocessor.fit(part.to_frame("x")).unknown_warning(whole.to_frame("x")).count("'b'") == 1
    assert TablePreprocessor((CategoricalColumn("x", levels=("b",)),)).unknown_warning(whole[whole == "b"].to_frame("x")) == ""


def test_unknown_categories_are_one_line_for_all_columns() -> None:
    columns = TablePreprocessor.fit(pd.DataFrame({"town": ["Oslo", "Rome"], "age": [1, 2], "code": ["a", "b"]}))
    assert columns.unknown_warning(pd.DataFrame({"town": ["Rome", None], "age": [9, 9], "code": ["a", "a"]})) == ""
    towns = ["Oslo", "Paris", "Paris", "Bern", "Lima", "Kyiv", None]
    warning = columns.unknown_warning(pd.DataFrame({"town": towns, "age": [1] * 7, "code": ["c"] + ["a"] * 6}))
    assert warning == (
        "categories not seen in training are treated as unknown: "
        "column 'town': 5 of 7 rows ('Paris', 'Bern', 'Lima', …); column 'code': 1 of 7 rows ('c')"
    )


@pytest.mark.parametrize("cells", [[True, False, True], [1, 2, 2], [1.0, None, 2.0], [datetime(2024, 1, 1)] * 3])
def test_unknown_categories_are_counted_whatever_they_look_like(cells: list[Any]) -> None:
    columns = TablePreprocessor((CategoricalColumn("x", levels=("yes", "no")),))
    there = sum(cell is not None for cell in cells)
    assert f"column 'x': {there} of 3 rows" in columns.unknown_warning(pd.DataFrame({"x": cells}))


TEXT = TextColumn("x", size=64)


def test_a_text_is_a_vector_of_one_length() -> None:
    texts = ["a", "blue chair", "ein Stuhl, blau", "椅子", "x" * 1_000]
    vectors = TEXT.encode(series(texts))
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors.astype(float), axis=1) == pytest.approx(8.0, rel=1e-6)
    assert np.array_equal(TEXT.encode(series(texts, "string")), vectors)
    assert np.array_equal(TEXT.encode(series(texts[::-1])), vectors[::-1])


def test_no_text_is_zeros_and_an_empty_one_is_not() -> None:
    vectors = TEXT.encode(series([None, "", "  "], "object"))
    assert not vectors[0].any()
    assert np.linalg.norm(vectors[1:], axis=1) == pytest.approx(8.0)


def test_similar_texts_are_similar() -> None:
    texts = ["wooden chair, blue", "wooden chairs, blue", "desk lamp of brass", "chair of wood, in blue"]
    vectors = TextColumn("x").encode(series(texts)).astype(float) / 16
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.9 > likeness[0, 3] > 0.6 > likeness[0, 2]


def test_a_vector_is_the_logarithm_of_counts() -> None:
    """Of ` aa ` the single letters are two blanks and two a."""
    vector = TextColumn("x", size=4096, shortest=1, longest=1).encode(series(["aa"]))[0]
    assert sorted(vector[vector > 0]) == pytest.approx([4096**0.5 / 2**0.5] * 2)
    longer = TextColumn("x", size=4096, shortest=1, longest=1).encode(series(["aaa"]))[0]
    assert longer.max() / longer[longer > 0].min() == pytest.approx(np.log(4) / np.log(3))


EVERY = pd.DataFrame(
    {
        "number": [1.5, None, 3.0] * 20,
        "boolean": pd.array([True, None, False] * 20, dtype="boolean"),
        "category": ["Rome", "Oslo", None] * 20,
        "date": pd.to_datetime(["2024-01-31T12:00", None, "2023-05-01T00:00"] * 20),
        "text": [f"a text of its own, {row}" for row in range(60)],
    }
)


def test_all_kinds_come_back_from_json() -> None:
    columns = TablePreprocessor.fit(EVERY)
    assert [column.kind for column in columns.columns] == list(EVERY)
    again = preprocessor_from_dict(json.loads(json.dumps(columns.to_dict())))
    assert again == columns
    assert np.array_equal(again.encode(EVERY), columns.encode(EVERY), equal_nan=True)
    assert columns.encode(EVERY).shape == (60, 1 + 1 + 1 + 5 + 1024)
    assert columns.input_spec()["cardinalities"] == (0, 0, 3, 0, 0, 13, 8, 0, *[-1] * 1024)
    assert columns.numeric_columns(columns.encode(EVERY)) == (0, 1, 3, 4, 7)


def test_a_kind_of_column_that_is_not_known_is_one_line() -> None:
    with pytest.raises(StorageError, match=r"not known.*color"):
        preprocessor_from_dict({"kind": "columns", "columns": [{"kind": "color", "name": "x"}]})


@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_chunks_teach_what_the_whole_teaches(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 60]
    chunks = [EVERY.iloc[start:end] for start, end in pairwise(edges)]
    assert TablePreprocessor.learn(chunks) == TablePreprocessor.fit(EVERY)


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_types_of_text_are_one_and_the_same(dtype: str) -> None:
    plain = TablePreprocessor.fit(EVERY[["category"]])
    typed = EVERY[["category"]].astype(dtype)
    assert TablePreprocessor.fit(typed) == plain
    assert np.array_equal(plain.encode(typed), plain.encode(EVERY))
    assert plain.unknown_warning(typed) == ""


def normalized(values: np.ndarray) -> Normalization:
    """Of a table of numbers as a coded source, its last column codes of a category."""
    table = {f"x{place}": values[:, place] for place in range(values.shape[1])}
    columns = TablePreprocessor.fit(pd.DataFrame({**table, "town": np.resize(["Rome", "Oslo", "Bern"], len(values))}))
    inputs = np.column_stack([values, np.resize([3, 2, 1], len(values))])
    return Normalization.of(Source("table", inputs, {}, preprocessor=columns))


@pytest.mark.parametrize("size", [1, 3, 64, 1_000])
def test_statistics_in_pieces_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(normalization, "ROWS_PER_BLOCK", size)
    random = np.random.default_rng(0)
    values = random.normal(size=(257, 6)) * [1, 1e-3, 1e5, 1, 1, 1] + [0, 5, 1e7, 3, 0, 0]
    values[random.random(values.shape) < 0.3] = np.nan
    values[:, 3] = np.where(np.isnan(values[:, 3]), np.nan, 0.1)
    values[:, 4] = np.nan
    values[1:, 5] = np.nan
    values[0, 5] = 7.0
    found = normalized(values)
    assert found.mean[:3] == pytest.approx(np.nanmean(values[:, :3], axis=0), rel=1e-12)
    assert found.deviation[:3] == pytest.approx(np.nanstd(values[:, :3], axis=0), rel=1e-12)
    assert found.mean[3:] == pytest.approx((0.1, 0.0, 7.0, 0.0), rel=1e-12)
    assert found.deviation[3:] == (1.0, 1.0, 1.0, 1.0), "constant, empty, a single number, and codes"


def test_a_table_of_numbers_alone_is_normalized_as_a_matrix_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalization, "ROWS_PER_BLOCK", 10)
    values = np.random.default_rng(1).normal(5, 2, size=(95, 3)).astype(np.float32)
    columns = TablePreprocessor.fit(pd.DataFrame(values, columns=list("abc")))
    found, plain = Normalization.of(Source("table", values, {}, preprocessor=columns)), Normalization.fit(values)
    assert found.mean == pytest.approx(plain.mean, rel=1e-12)
    assert found.deviation == pytest.approx(plain.deviation, rel=1e-12)
    scaled = found(torch.from_numpy(values)).numpy()
    assert np.abs(scaled.mean(axis=0)).max() < 1e-6
    assert scaled.std(axis=0) == pytest.approx(1, rel=1e-6)
