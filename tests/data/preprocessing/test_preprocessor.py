"""Texts and tables as arrays: what is known, what is not, and what a file gives back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from polytask.data import (
    Normalization,
    Source,
    TablePreprocessor,
    WordTokenizer,
    fingerprint,
    preprocessor_from_dict,
    train_validation_split,
)
from polytask.data.preprocessing.columns import CategoricalColumn, NumericColumn
from polytask.errors import DataError, StorageError

TABLE = pd.DataFrame({"age": [31.0, None, 12.0], "town": ["Rome", "Oslo", None], "code": [7, 8, 7]})


@pytest.mark.parametrize(
    "coding", [WordTokenizer.fit(["a b", "b"]), TablePreprocessor.fit(TABLE), TablePreprocessor.fit(TABLE, categorical=["code", "town"])]
)
def test_a_coding_is_made_again_from_json(coding: WordTokenizer | TablePreprocessor) -> None:
    assert preprocessor_from_dict(json.loads(json.dumps(coding.to_dict()))) == coding


def test_an_unknown_coding_is_one_line() -> None:
    with pytest.raises(StorageError, match="not known"):
        preprocessor_from_dict({"kind": "pixels"})


def test_words_do_not_mind_case_digits_and_spaces() -> None:
    words = WordTokenizer.fit(["To Boston at 1000"])
    assert words.encode(["to  BOSTON at 2359"]).tolist() == [[2, 3, 4, 5]]
    assert words.encode(["", "paris"]).tolist() == [[0], [1]]


def test_rare_words_can_stay_unknown() -> None:
    assert WordTokenizer.fit(["a a b"], min_count=2).known == ("a",)


def test_a_number_is_no_text() -> None:
    with pytest.raises(DataError, match="row 1"):
        WordTokenizer(("a",)).encode(["a", 3])  # type: ignore[list-item]


def test_columns_are_found_by_name_whatever_their_order() -> None:
    columns = TablePreprocessor.fit(TABLE)
    assert columns.input_spec() == {"cardinalities": (0, 3, 0), "missing_indicators": (True, True, False)}
    again = columns.encode(TABLE.iloc[:, ::-1].assign(more=1))
    assert np.array_equal(again, columns.encode(TABLE), equal_nan=True)
    assert columns.encode(TABLE)[:, 1].tolist() == [2.0, 1.0, 0.0]


def test_numbers_can_be_categories() -> None:
    columns = TablePreprocessor.fit(TABLE, categorical=["code"])
    assert columns.columns[2] == CategoricalColumn("code", levels=("7", "8"))
    assert columns.encode(pd.DataFrame({"age": [1], "town": [2.0], "code": [9]}))[0, 2] == 0


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (TABLE.drop(columns="age"), "column 'age'.*missing"),
        (TABLE.assign(age=["1", "x", None]), "column 'age', row 2"),
        (TABLE.assign(age=[1.0, np.inf, 2.0]), "column 'age', row 2.*finite"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(table: pd.DataFrame, text: str) -> None:
    columns = TablePreprocessor((NumericColumn("age"),))
    with pytest.raises(DataError) as caught:
        columns.encode(table)
    assert pd.Series([str(caught.value)]).str.contains(text).all()


def test_numbers_are_normalized_and_codes_are_not() -> None:
    columns = TablePreprocessor.fit(TABLE)
    source = Source("table", columns.encode(TABLE), {}, preprocessor=columns)
    normalization = Normalization.of(source)
    inputs = normalization(torch.from_numpy(source.inputs))
    assert inputs[:, 1].tolist() == [2.0, 1.0, 0.0]
    assert inputs[[0, 2], 0].tolist() == pytest.approx([1.0, -1.0])
    assert torch.isnan(inputs[1, 0])
    text = Source("text", np.array([[2, 0]]), {}, preprocessor=WordTokenizer(("a",)))
    assert Normalization.of(text)(torch.from_numpy(text.inputs)).dtype == torch.int64


def test_a_source_may_say_what_is_held_out() -> None:
    held_out = np.array([False, True, True, False])
    source = Source("toy", np.zeros((4, 2)), {"size": np.arange(4.0)}, held_out=held_out)
    training, validation = train_validation_split(source, fraction=0.9, seed=5)
    assert (training.units.tolist(), validation.units.tolist()) == ([0, 3], [1, 2])
    assert fingerprint(source) != fingerprint(Source("toy", np.zeros((4, 2)), {"size": np.arange(4.0)}))
    for wrong in (np.ones(4, bool), np.zeros(4, bool), np.arange(4)):
        with pytest.raises(DataError, match="held out"):
            train_validation_split(Source("toy", np.zeros((4, 2)), {"size": np.arange(4.0)}, held_out=wrong), fraction=0.5, seed=0)


def test_labels_of_tokens_need_tokens() -> None:
    labels = np.full((3, 4), "O", dtype=object)
    assert Source("text", np.ones((3, 4), dtype=np.int64), {"slots": labels}).has_tokens
    for inputs in (np.ones((3, 4)), np.ones((3, 5), dtype=np.int64)):
        with pytest.raises(DataError, match="'slots'"):
            Source("text", inputs, {"slots": labels})
