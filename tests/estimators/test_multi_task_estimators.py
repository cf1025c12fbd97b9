"""What estimators take, what they give back, and what they refuse in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from polytask import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor
from polytask.errors import PolytaskError

ROWS = 120
random = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "age": random.normal(size=ROWS),
        "size": random.normal(size=ROWS),
        "town": random.choice(["Oslo", "Rome"], ROWS),
        "day": pd.date_range("2024-01-01", periods=ROWS),
        "member": random.random(ROWS) > 0.5,
    }
)
X.loc[3, "town"] = None
Y = pd.DataFrame({"churn": np.where(X["age"] > 0, "yes", "no"), "value": X["age"] + X["size"]})
Y.loc[:9, "churn"] = None
Y.loc[5:20, "value"] = np.nan


def quick(kind: Callable[..., Any] = MultiTaskEstimator, **options: Any) -> Any:
    return kind(**{"preset": "quick", "epochs": 2, "random_state": 0, **options})


def weights_of(estimator: Any) -> list[torch.Tensor]:
    return list(estimator.network_.model.state_dict().values())


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(own, its) for own, its in zip(weights_of(one), weights_of(other), strict=True))


OTHER_LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col(pl.String).cast(pl.Categorical)),
    "arrow": pa.Table.from_pandas,
    "a mapping": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "nullable types": lambda frame: frame.convert_dtypes(),
    "types of Arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda frame: frame.astype(object),
}


@pytest.mark.parametrize("library", OTHER_LIBRARIES)
def test_a_table_of_any_library_gives_the_same_network(library: str) -> None:
    given = OTHER_LIBRARIES[library]
    expected, found = quick().fit(X, Y), quick().fit(given(X), given(Y))
    assert found.kinds_ == {"churn": "binary", "value": "regression"}
    assert same(expected, found)
    assert expected.predict(X)["value"].tolist() == found.predict(given(X))["value"].tolist()
    assert expected.score(X, Y) == found.score(given(X), given(Y))


@pytest.mark.parametrize("column", [pl.Series(Y["value"]), pa.chunked_array([pa.array(Y["value"], from_pandas=True)]), Y["value"]])
def test_a_single_column_of_any_library_is_a_target(column: Any) -> None:
    assert quick(MultiTaskRegressor).fit(X, column).predict(X).shape == (ROWS,)
    assert quick().fit(X, column).predict(X).shape == (ROWS, 1)


def test_lists_of_labels_are_sets_and_no_classes() -> None:
    cells = [["a", "b"], ["a"], [], ["b"]] * (ROWS // 4)
    for sets in (pd.DataFrame({"tags": cells}), pl.DataFrame({"tags": cells})):
        assert quick().fit(X, sets).tasks_[0].classes == ("a", "b")


def test_kinds_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "polytask"):
        quick().fit(X, Y)
    assert "targets: churn (binary), value (regression)" in caplog.text


def test_times_have_their_events_in_another_column() -> None:
    """As minus signs say it: the same network, and no column of events among the targets."""
    times = pd.DataFrame({"months": random.exponential(size=ROWS) + 0.1, "left": random.random(ROWS) > 0.4})
    signed = times[["months"]].where(times["left"], -times[["months"]], axis=0)
    told = quick(targets={"months": "survival(event=left, intervals=4)"}).fit(X, times)
    signs = quick(targets={"months": "survival(intervals=4)"}).fit(X, signed)
    assert told.kinds_ == {"months": "survival"}
    assert same(told, signs)
    assert told.score(X, times) == signs.score(X, signed)
    assert told.predict(X).columns.tolist() == ["months"]


def test_weights_of_rows_go_by_names() -> None:
    weights = pd.DataFrame({"value": np.linspace(0.1, 2, ROWS), "churn": np.linspace(3, 1, ROWS)})
    expected = quick().fit(X, Y, sample_weight=weights[["churn", "value"]].to_numpy())
    for given in (weights, pl.from_pandas(weights), {name: weights[name] for name in weights}):
        assert same(expected, quick().fit(X, Y, sample_weight=given))
    assert not same(expected, quick().fit(X, Y, sample_weight=weights.to_numpy()))


def test_weights_of_tasks() -> None:
    """They are used, or refused; a task of weight 0 is not trained, and changes nobody else's training."""
    assert not same(quick().fit(X, Y), quick().fit(X, Y, task_weights={"value": 3.0}))
    nothing, something = (quick(epochs=epochs).fit(X, Y, task_weights={"churn": 0}) for epochs in (1, 2))
    heads = [{name: own for name, own in found.network_.model.state_dict().items() if "churn" in name} for found in (nothing, something)]
    assert heads[0]
    assert all(torch.equal(own, heads[1][name]) for name, own in heads[0].items())


def test_predictions_of_arrays_are_arrays() -> None:
    numbers, targets = X[["age", "size"]].to_numpy(), Y[["value"]].to_numpy()
    assert quick().fit(numbers, targets).predict(numbers).shape == (ROWS, 1)
    assert quick().fit(numbers, targets[:, 0]).predict(numbers).shape == (ROWS,)
    quantiles = quick(targets={"target": "quantile(levels=[0.1, 0.5, 0.9])"}).fit(numbers, targets[:, 0])
    assert quantiles.predict(numbers).shape == (ROWS, 4), "the median, and every quantile"


@pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:X has feature names")
def test_arrays_and_frames_stand_for_each_other() -> None:
    """By the order of columns, as scikit-learn has it."""
    frame = X[["age", "size"]]
    expected = quick().fit(frame, Y).predict(frame)["value"].tolist()
    assert quick().fit(frame, Y).predict(frame.to_numpy())["value"].tolist() == expected
    assert quick().fit(frame.to_numpy(), Y).predict(frame)["value"].tolist() == expected


def test_a_target_without_labels_has_no_score() -> None:
    for kind, targets in ((MultiTaskRegressor, Y[["value"]]), (MultiTaskClassifier, Y[["churn"]])):
        both = pd.concat([targets, targets.add_suffix("_2")], axis=1)
        fitted = quick(kind).fit(X, both)
        first, second = (fitted.score(X, both.assign(**{name: None})) for name in both.columns[::-1])
        assert (first + second) / 2 == pytest.approx(fitted.score(X, both))
        assert np.isnan(fitted.score(X, both.assign(**dict.fromkeys(both))))


late = Y.iloc[::-1]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a target among the inputs": ({"X": X.assign(value=1.0)}, "X, column 'value': inputs must not contain a target"),
    "targets in another order": ({"y": late}, r"y, index: y has the rows of X in another order.*y\.loc"),
    "weights in another order": (
        {"sample_weight": late["value"].fillna(1)},
        "sample_weight, index: sample_weight has the rows of X in another order",
    ),
    "weights of another target": ({"sample_weight": pd.DataFrame({"value": np.ones(ROWS)})}, "sample_weight, 'churn': .* missing"),
    "three weights a row": ({"sample_weight": np.ones((ROWS, 3))}, "3 columns for 2 targets"),
    "a negative weight": (
        {"sample_weight": np.r_[1.0, -2.0, np.ones(ROWS - 2)]},
        "'churn', row 2: weights of rows must be at least 0 .*-2",
    ),
    "a weight of no task": ({"task_weights": {"chrun": 2}}, "Did you mean 'churn'"),
    "a list of weights": ({"task_weights": [1, 2]}, "weights must be a mapping from names of tasks"),
    "all weights 0": ({"task_weights": {"churn": 0, "value": 0}}, "at least one task needs a weight above 0"),
    "a weight that is none": ({"task_weights": {"churn": float("nan")}}, "a task's weight must be a finite number of at least 0"),
    "weights that are not used": ({"task_weights": {"churn": 2}, "balancer": "equal"}, "'equal': .* does not use the tasks' weights"),
    "the name of a target": ({"targets": "churn"}, "targets must be a list of names"),
    "an unknown target": ({"targets": ["chrun"]}, "Did you mean 'churn'"),
    "an unknown event": ({"targets": {"value": "survival(event=left)"}}, "'left': there is no such column in Y"),
    "an unknown category": ({"categorical_features": ["twon"]}, "categorical_features, 'twon': .*Did you mean 'town'"),
    "spans of time": ({"X": X.assign(age=pd.to_timedelta(range(ROWS), "D"))}, "column 'age': an unsupported type"),
    "words among numbers": ({"X": X.assign(age=pd.Series([*range(ROWS - 1), "x"], dtype=object))}, "X, row 120, column 'age': text"),
    "infinity": ({"X": X.assign(age=np.r_[1.0, np.inf, np.ones(ROWS - 2)])}, "X, row 2, column 'age': an infinite number"),
    "a plan of a table": ({"X": pl.from_pandas(X).lazy()}, r"X: a table is needed, not a lazy query .*\.collect\(\)"),
    "one name twice": ({"X": pd.concat([X, X], axis=1)}, "column names must be unique"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_one_line(case: str) -> None:
    given, text = REFUSED[case]
    data = {name: given.get(name) for name in ("sample_weight", "task_weights")}
    options = {name: value for name, value in given.items() if name not in ("X", "y", *data)}
    with pytest.raises(PolytaskError, match=text) as caught:
        quick(**options).fit(given.get("X", X), given.get("y", Y), **data)
    assert len(str(caught.value).splitlines()) == 1


def test_targets_are_scored_by_name_in_any_order() -> None:
    both = pd.DataFrame({"low": X["age"], "high": 100 + 9 * X["size"]})
    fitted = quick(MultiTaskRegressor).fit(X, both)
    assert fitted.score(X, both[["high", "low"]]) == pytest.approx(fitted.score(X, both))


@pytest.mark.parametrize(
    ("column", "cells", "text"),
    [
        ("age", [np.inf] * ROWS, "column 'age', row 1: a finite number is needed"),
        ("age", ["old"] * ROWS, "column 'age', row 1: a number is needed .found 'old'"),
        ("age", [True] * ROWS, "column 'age', row 1: a number is needed .found 'True'"),
        ("day", ["soon"] * ROWS, "column 'day', row 1: a date is needed"),
        ("member", ["perhaps"] * ROWS, "column 'member', row 1: true or false is needed"),
        ("town", [["Oslo"]] * ROWS, "X, row 1, column 'town': a nested value"),
    ],
)
def test_what_cannot_be_predicted_from_is_one_line(column: str, cells: list[Any], text: str) -> None:
    with pytest.raises(PolytaskError, match=text) as caught:
        FITTED.predict(X.assign(**{column: pd.Series(cells)}))
    assert len(str(caught.value).splitlines()) == 1


FITTED = quick().fit(X, Y)
