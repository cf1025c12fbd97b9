"""Labels as they are read from a frame: text stays text, numbers stay exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.errors import ConfigError, DataError
from polytask.verdicts.prediction_frame import SplitPredictions, read_predictions


def frame(targets: Any, predictions: Any, **columns: Any) -> pd.DataFrame:
    """Two arms and two seeds that all predict the same, so that hits are those of one row of the arguments."""
    one = pd.DataFrame({"task": "kind", "unit": range(len(targets)), "target": targets, "prediction": predictions, **columns})
    return pd.concat([one.assign(arm=arm, seed=seed) for arm in ("single", "equal") for seed in (0, 1)], ignore_index=True)


def only(*arguments: Any) -> SplitPredictions:
    """What is read of the one task on the one test set."""
    (task,) = read_predictions(*arguments).tasks
    (split,) = task.splits
    return split


def hits(targets: Any, predictions: Any) -> list[bool]:
    """Which predictions count as right."""
    task = only(frame(targets, predictions), {"kind": "multiclass"})
    right: list[bool] = (task.runs["equal"].predictions[0] == task.targets).tolist()
    return right


LARGE = 2**53

SAME: dict[str, tuple[Any, Any, list[bool]]] = {
    "leading zeros": (["1", "01", "1"], ["01", "01", "1"], [False, True, True]),
    "exponents": (["1e3", "1000"], ["1000", "1000"], [False, True]),
    "written as decimals": (["1", "2", "1.0"], ["1.0", "2", "1.0"], [False, True, True]),
    "long identities as text": ([str(LARGE), str(LARGE + 1)], [str(LARGE + 1)] * 2, [False, True]),
    "long identities": ([LARGE, LARGE + 1], [LARGE + 1] * 2, [False, True]),
    "long identities of two types": (np.array([LARGE, LARGE + 1], np.int64), np.array([LARGE + 1] * 2, np.uint64), [False, True]),
    "long identities as objects": (pd.array([LARGE, LARGE + 1], "Int64"), pd.Series([LARGE + 1] * 2, dtype=object), [False, True]),
    "integers and floats": ([1, 2, 3], [1.0, 3.0, 3.0], [True, False, True]),
    "truth values": ([True, False], [1, 1], [True, False]),
    "exact decimals": ([Decimal(1), Decimal("2.0")], [1, 2], [True, True]),
    "categories of text": (pd.Categorical(["1", "01"]), ["01", "01"], [False, True]),
    "categories of numbers": (pd.Categorical([1, 2]), [2.0, 2.0], [False, True]),
    "text and numbers": (["1", "2"], [1, 1], [True, False]),
    "numbers and words in one column": (pd.Series([1, "one"], dtype=object), ["1", "1"], [True, False]),
}


@pytest.mark.parametrize("case", SAME)
def test_labels_are_the_same_where_they_are_written_so(case: str) -> None:
    targets, predictions, expected = SAME[case]
    assert hits(targets, predictions) == expected


def test_labels_that_are_written_in_two_ways_are_refused() -> None:
    with pytest.raises(DataError, match=r"predictions must contain some of the target labels .* Write labels in the same way"):
        read_predictions(frame(["1", "2"], ["1.0", "2.0"]), {"kind": "multiclass"})


GRADES = ("poor", "fair", "good")


def test_ranks_follow_the_classes_and_not_the_alphabet() -> None:
    task = only(frame(["good", "poor", "fair"], ["fair", "poor", "good"]), {"kind": "ordinal"}, {"kind": GRADES})
    assert task.targets.tolist() == [2, 0, 1]
    assert task.runs["equal"].predictions[0].tolist() == [1, 0, 2]


@pytest.mark.parametrize("targets", [[1, 10, 2], ["1", "10", "2"], [1.0, 10.0, 2.0]])
def test_ranks_of_numbers_are_found_as_numbers_or_as_text(targets: Any) -> None:
    classes = (1, 2, 10) if not isinstance(targets[0], str) else ("1", "2", "10")
    task = only(frame(targets, targets), {"kind": "ordinal"}, {"kind": classes})
    assert task.targets.tolist() == [0, 2, 1]


def test_a_class_that_only_predictions_or_nobody_has_keeps_its_rank() -> None:
    task = only(frame(["poor", "good"], ["poor", "poor"]), {"kind": "ordinal"}, {"kind": GRADES})
    assert task.targets.tolist() == [0, 2]


def test_equal_sets_are_equal_in_whatever_order_they_are_written() -> None:
    task = only(frame(["a|b", "-"], ["b|a", "a"]), {"kind": "multilabel"})
    assert (task.runs["equal"].predictions[0] == task.targets).tolist() == [True, False]


def test_quantiles_stay_text_beside_targets_that_are_numbers() -> None:
    task = only(frame(["1.5", "2.5"], ["0.5:1.0", "0.5:2.0"]), {"kind": "quantile"})
    assert task.targets.tolist() == [1.5, 2.5]
    assert task.runs["equal"].predictions[0].tolist() == ["0.5:1.0", "0.5:2.0"]


@pytest.mark.parametrize("kind", ["count", "survival"])
def test_numbers_are_numbers(kind: str) -> None:
    task = only(frame(["1", "2"], ["1.5", "2.5"]), {"kind": kind})
    assert task.targets.tolist() == [1.0, 2.0]
    assert task.runs["equal"].predictions[0].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("kinds", "classes", "text"),
    [
        ({"kind": "ordinal"}, None, "the order of the classes is needed"),
        ({"kind": "ordinal"}, {"kind": ("poor", "poor")}, "classes must be unique"),
        ({"kind": "ordinal"}, {"other": GRADES}, "order of the classes"),
        ({"kind": "multiclass"}, {"other": GRADES}, "there are no predictions for this task"),
        ({"kind": "tagging"}, {"kind": GRADES}, "no classes"),
    ],
)
def test_what_classes_cannot_be(kinds: Any, classes: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        read_predictions(frame(["poor", "good"], ["poor", "poor"]), kinds, classes)
    assert "\n" not in str(caught.value)


def test_a_label_that_no_class_is_is_named() -> None:
    with pytest.raises(DataError, match=r"column 'prediction': every label must be one of the classes \(found 'bad'\)"):
        read_predictions(frame(["poor", "good"], ["poor", "bad"]), {"kind": "ordinal"}, {"kind": GRADES})


@pytest.mark.parametrize(
    ("targets", "predictions", "text"),
    [
        (range(100, 1000, 10), range(100, 1000, 10), "90 different ones"),
        ([100, 200, 300] * 3, range(100, 190, 10), "most of the predicted ones are no target"),
        ([1, 2, 3], [1.5, 2, 3], "predictions are not"),
    ],
)
def test_whole_numbers_that_may_be_values_are_not_taken_for_classes(targets: Any, predictions: Any, text: str) -> None:
    table = frame(list(targets), list(predictions))
    with pytest.raises(DataError, match=f"cannot infer the kind of task: targets are whole numbers, {text}.*--kind kind=regression"):
        read_predictions(table)
    assert read_predictions(table, {"kind": "regression"}).tasks[0].kind.kind == "regression"


@pytest.mark.parametrize(
    ("targets", "predictions", "kind"),
    [
        (np.arange(1000) % 50, np.arange(1000) % 40, "multiclass"),
        ([1, 1, 1], [0, 0, 1], "binary"),
        ([0, 4, 4, 7], [1, 2, 3, 7], "multiclass"),
        ([0.5, 1.0], [1, 2], "regression"),
    ],
)
def test_kinds_are_inferred_from_targets(targets: Any, predictions: Any, kind: str) -> None:
    inferred = read_predictions(frame(targets, predictions)).tasks[0].kind
    assert inferred.kind == kind
