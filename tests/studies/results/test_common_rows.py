"""Rows that stand in the training and in the test part are counted and said; a test part of nothing else is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from polytask.data import Source, TablePreprocessor
from polytask.data.preprocessing.columns.numeric_column import NumericColumn
from polytask.data.row_overlap import count_common_rows
from polytask.errors import DataError
from polytask.studies.results.open_test_data import check_common_rows

Table = Callable[..., Source]


def context(source: Source) -> Any:
    return cast(Any, SimpleNamespace(sources=(source,)))


def joined(first: Source, second: Source) -> Source:
    labels = {name: np.concatenate([first.labels[name], second.labels[name]]) for name in first.labels}
    return Source(first.name, np.concatenate([first.inputs, second.inputs]), labels)


def test_common_rows_are_counted_and_said(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    training, other = table(rows=60), table(rows=30, seed=1)
    check_common_rows([other], context(training))
    assert not caplog.text
    test = joined(other, training.take(np.arange(7)))
    assert count_common_rows(training, test) == (7, 60)
    check_common_rows([test], context(training))
    assert "7 of 37 test rows are training rows too" in caplog.text


@pytest.mark.parametrize("of_a_table", [False, True])
def test_only_training_rows_are_no_test(table: Table, of_a_table: bool) -> None:
    columns = TablePreprocessor(tuple(NumericColumn(name) for name in "abcd"))
    training = replace(table(rows=60), preprocessor=columns if of_a_table else None)
    with pytest.raises(DataError, match="all test rows are training rows"):
        check_common_rows([training.take(np.arange(20))], context(training))


def test_other_labels_and_rows_that_repeat_themselves_are_no_common_rows(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    training = table(rows=60)
    assert count_common_rows(training, Source("table", training.inputs, {**training.labels, "price": training.labels["price"] + 1}))[0] == 0
    drawn = np.random.default_rng(0).integers(2, size=(200, 2)).astype(np.float32)
    few = Source("few", drawn, {"both": drawn.sum(1).astype(np.float64)})
    check_common_rows([few.take(np.arange(50))], context(few))
    assert not caplog.text
