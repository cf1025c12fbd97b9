"""Predictions that training functions return: all forms mean the same, and what is none of them is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.errors import ConfigError
from polytask.tasks import Predictions
from polytask.train_functions import InputRows, LabeledRows, Outputs, TrainingRequest
from polytask.train_functions.returned_predictions import read_returned

ROWS = 6
LABELS = {
    "size": np.array([1.0, 2.0, 4.0, 3.0, np.nan, 5.0]),
    "kind": np.array(["a", "b", "c", "a", None, "b"], dtype=object),
    "churn": np.array(["no", "yes", "no", "yes", None, "no"], dtype=object),
    "visits": np.array([0.0, 2, 1, 0, np.nan, 3]),
    "time": np.array([1.0, -2, 3, 4, np.nan, 2]),
}


def kind_of(name: str) -> pt.Task:
    """A task that is not fitted."""
    if name == "time":
        return pt.tasks.Survival(name=name, intervals=3)
    if name in ("kind", "churn"):
        return (
            pt.tasks.Multiclass(name=name, classes=("a", "b", "c")) if name == "kind" else pt.tasks.Binary(name=name, classes=("no", "yes"))
        )
    return (pt.tasks.Regression if name == "size" else pt.tasks.Count)(name=name)


def request(*names: str, sources: tuple[str, ...] = ("toy",)) -> TrainingRequest:
    """A request for some of the tasks."""
    tasks = tuple(task.fitted(LABELS[task.name]) for task in (kind_of(name) for name in names))
    labels = {name: LABELS[name] for name in names}
    targets = {}
    for task in tasks:
        mask = task.labeled_rows(labels[task.name])
        known = task.metric_targets(labels[task.name][mask])
        full = np.full(ROWS, -1 if known.dtype.kind == "i" else np.nan, dtype=known.dtype)
        full[mask] = known
        targets[task.name] = full
    x, units = np.arange(ROWS * 2.0).reshape(ROWS, 2), np.arange(ROWS)
    rows = {source: LabeledRows(x, units, names, labels=labels, targets=targets) for source in sources}
    test = {source: InputRows(x[:4], units[:4], names) for source in sources}
    return TrainingRequest(tasks, "joint", {}, 0, rows, rows, test, epochs=3)


def read(given: Any, asked: TrainingRequest, source: str = "toy") -> Predictions:
    """The test predictions of the only task."""
    ((_, own),) = read_returned(given, asked)["test"].items()
    return own[source]


P = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.4, 0.1]])


@pytest.mark.parametrize(
    "form",
    [
        np.array([0, 1, 2, 0]),
        [0, 1, 2, 0],
        torch.tensor([0, 1, 2, 0]),
        np.array([0.0, 1.0, 2.0, 0.0]),
        np.array([[0], [1], [2], [0]]),
        ["a", "b", "c", "a"],
        np.array(["a", "b", "c", "a"]),
        pd.Series(["a", "b", "c", "a"], index=[9, 8, 7, 6]),
        P,
        P.tolist(),
        torch.tensor(P, requires_grad=True),
        P.astype("float16"),
        Outputs(np.log(P)),
        Outputs(torch.tensor(np.log(P), requires_grad=True)),
        Predictions(np.array([0, 1, 2, 0]), P),
        {"toy": P},
    ],
)
def test_all_forms_of_classes_mean_the_same(form: Any) -> None:
    found = read({"kind": form}, request("kind"))
    assert found.values.tolist() == [0, 1, 2, 0] and found.values.dtype == np.int64
    assert found.probabilities is None or np.allclose(found.probabilities, P, atol=1e-3)
    assert found.probabilities is None or np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("task", "form", "values"),
    [
        ("size", [1, 2.5, 3, 4], [1, 2.5, 3, 4]),
        ("size", Outputs(np.zeros(4, "float32")), [3.0] * 4),
        ("visits", np.array([[0.5], [1], [2], [3]]), [0.5, 1, 2, 3]),
        ("time", [1.0, 2.0, 3.0, 0.5], [1.0, 2.0, 3.0, 0.5]),
        ("churn", np.array([True, False, True, True]), [1, 0, 1, 1]),
        ("churn", np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6], [0.1, 0.9]]), [1, 0, 1, 1]),
        ("churn", Outputs([2.0, -1.0, 0.5, 3.0]), [1, 0, 1, 1]),
    ],
)
def test_forms_of_other_kinds(task: str, form: Any, values: list[float]) -> None:
    assert read({task: form}, request(task)).values.tolist() == pytest.approx(values)


def test_outputs_mean_what_the_task_says() -> None:
    asked = request("time")
    outputs = np.random.default_rng(0).normal(size=(4, asked.tasks[0].outputs))
    assert np.array_equal(read({"time": Outputs(outputs)}, asked).values, asked.tasks[0].predict(torch.tensor(outputs)).values)


def test_outputs_of_missing_steps_are_ignored_and_those_of_zeros_are_not() -> None:
    task = pt.tasks.Tagging(name="state", classes=("O", "B-run"))
    steps = np.zeros((1, 3, 2), np.float32)
    steps[0, 0] = np.nan
    rows = {"toy": InputRows(steps, np.arange(1), ("state",))}
    labels = LabeledRows(steps, np.arange(1), ("state",), targets={"state": np.array(["- O B-run"], dtype=object)})
    asked = TrainingRequest((task,), "joint", {}, 0, {"toy": labels}, {"toy": labels}, rows, epochs=1)
    outputs = np.array([[[np.nan, np.nan], [0.0, 1.0], [1.0, 0.0]]])
    assert read({"state": Outputs(outputs)}, asked).values.tolist() == ["- B-run O"]


def test_parts_and_sources() -> None:
    asked = request("size", sources=("first", "second"))
    found = read_returned({"test": {"size": np.arange(8)}, "validation": {"size": {"second": np.ones(6), "first": np.zeros(6)}}}, asked)
    assert [found["test"]["size"][source].values.tolist() for source in ("first", "second")] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found["validation"]["size"]["second"].values.tolist() == [1] * 6


def test_rows_with_labels_are_stacked_over_sources() -> None:
    inputs, targets = request("kind", sources=("first", "second")).stacked("kind", "validation")
    assert inputs.shape == (10, 2) and targets.tolist() == [0, 1, 2, 0, 1] * 2
    entries = LabeledRows({"x": np.arange(3), "y": np.ones((3, 2))}, np.arange(3), ("size",), targets={"size": np.array([1, np.nan, 3])})
    asked = TrainingRequest(request("size").tasks, "joint", {}, 0, {"toy": entries}, {}, {}, epochs=1)
    assert len(entries) == 3 and {name: len(entry) for name, entry in asked.stacked("size")[0].items()} == {"x": 2, "y": 2}
    with pytest.raises(ConfigError, match=r"task: the request has no such task \(found 'knid'\). Did you mean 'kind'"):
        request("kind").stacked("knid")
    with pytest.raises(ConfigError, match="part: rows with labels are 'training' or 'validation'"):
        request("kind").stacked("kind", "test")  # type: ignore[arg-type]


def cyclic() -> list[Any]:
    """A list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found * 4


BAD: list[tuple[tuple[str, ...], Callable[[], Any], str]] = [
    (("size",), lambda: None, "returned: predictions by task are needed (found None). Return {task: array}"),
    (("size",), lambda: [1, 2, 3, 4], "returned: predictions by task are needed (found [1, 2, 3, 4])"),
    (("size",), lambda: (x for x in ()), "returned: predictions by task are needed"),
    (("size", "kind"), lambda: {"size": [1, 2, 3, 4]}, "test predictions: there is none of task 'kind' (found only size)"),
    (("size",), dict, "test predictions: there is none of task 'size' (found nothing)"),
    (("size",), lambda: {"sise": [1, 2, 3, 4]}, "unknown task (found 'sise'). Did you mean 'size'"),
    (("size",), lambda: {"test": {"size": [1, 2, 3, 4]}, "train": {}}, "unknown task (found 'test')"),
    (("size",), lambda: {"test": {"size": [1, 2, 3, 4]}, "validation": {}}, "validation predictions: there is none of task 'size'"),
    (("size",), lambda: {"validation": {"size": [1] * 6}}, "unknown task (found 'validation')"),
    (("size",), lambda: {"size": None}, "test predictions, task 'size': an array of predictions is needed (found None)"),
    (("size",), lambda: {"size": 3.0}, "an array of predictions is needed (found 3.0)"),
    (("size",), lambda: {"size": np.float64(3)}, "predictions of 4 rows are needed (found a single value)"),
    (("size",), lambda: {"size": "abcd"}, "an array of predictions is needed (found 'abcd')"),
    (("size",), lambda: {"size": [1, 2, 3]}, "predictions of 4 rows are needed (found 3 rows). Predict every row"),
    (("size",), lambda: {"size": [[1, 2], [3], [4], [5]]}, "an array of predictions is needed"),
    (("size",), lambda: {"size": [1, 2, np.nan, 4]}, "finite (found NaN or infinity in 1 of 4 rows, first in row 2)"),
    (("size",), lambda: {"size": torch.tensor([1.0, 2, 3, torch.inf])}, "finite (found NaN or infinity in 1 of 4 rows, first in row 3)"),
    (("size",), lambda: {"size": [1j, 2, 3, 4]}, "predictions must be numbers or labels (found an array of complex128)"),
    (("size",), lambda: {"size": np.zeros((4, 3))}, "no form of predictions of the task (found float64 of shape (4, 3))"),
    (("size",), lambda: {"size": np.zeros((4, 2, 2))}, "no form of predictions of the task"),
    (("size",), lambda: {"size": ["1", "two", "3", "4"]}, "task 'size'"),
    (("size",), lambda: {"size": [{}, {}, {}, {}]}, "task 'size'"),
    (("size",), lambda: {"size": {"tyo": [1, 2, 3, 4]}}, "unknown source (found 'tyo'). Did you mean 'toy'"),
    (("size",), lambda: {"size": {}}, "there is none of source 'toy'"),
    (("size",), lambda: {"size": Outputs(np.zeros((4, 2)))}, "outputs of shape (4, 1) are needed (found float64 of shape (4, 2))"),
    (("size",), lambda: {"size": Outputs([np.nan] * 4)}, "predictions must be finite"),
    (("size",), cyclic, "returned: predictions by task are needed"),
    (("kind",), lambda: {"kind": [0, 1, 2, 3]}, "class codes from 0 to 2 are needed (found 3 in row 3)"),
    (("kind",), lambda: {"kind": [0, 1, -1, 0]}, "class codes from 0 to 2 are needed (found -1 in row 2)"),
    (("kind",), lambda: {"kind": [0, 0.5, 1, 0]}, "class codes from 0 to 2 are needed (found 0.5 in row 1)"),
    (("kind",), lambda: {"kind": ["a", "b", "d", "a"]}, "task 'kind'"),
    (("kind",), lambda: {"kind": 2 * P}, "probabilities must be at least 0 and sum to 1"),
    (("kind",), lambda: {"kind": np.log(P)}, "Normalize them, or return logits as pt.Outputs(array)"),
    (("kind",), lambda: {"kind": P[:, :2]}, "no form of predictions of the task (found float64 of shape (4, 2))"),
    (("churn",), lambda: {"churn": [0.2, 0.9, 0.4, 0.1]}, "or probabilities of shape (4, 2)"),
    (("time",), lambda: {"time": np.ones((4, 3))}, "pt.Outputs(array) of"),
]


@pytest.mark.parametrize(("names", "given", "text"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_what_is_no_prediction_is_refused_in_one_line(names: tuple[str, ...], given: Callable[[], Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        read_returned(given(), request(*names))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
