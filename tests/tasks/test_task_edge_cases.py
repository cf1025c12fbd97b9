"""Labels and outputs at the edges: gaps with anything in them, classes of mixed types, constants that do not look like it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.tasks import Binary, Multiclass, Regression, Task, masked_loss, task_from_dict

TASKS = (Multiclass(name="kind", classes=("a", "b", "c")), Binary(name="churn"), Regression(name="price"))
every = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
NUMBERS = st.floats(-30, 30)


@given(data=st.data())
@every
def test_the_loss_and_its_gradient_are_their_formulas(task: Task, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 6))
    z = np.array(data.draw(st.lists(NUMBERS, min_size=rows * task.outputs, max_size=rows * task.outputs))).reshape(rows, -1)
    labeled = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    top = {"multiclass": 2, "binary": 1, "regression": 9}[task.kind]
    y = np.array(data.draw(st.lists(st.integers(0, top), min_size=rows, max_size=rows)))
    if task.kind == "multiclass":
        shifted = z - z.max(axis=1, keepdims=True)
        softmax = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        loss, slope = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(rows), y], softmax - np.eye(3)[y]
    elif task.kind == "binary":
        loss, slope = np.logaddexp(0, z[:, 0]) - y * z[:, 0], 1 / (1 + np.exp(-z)) - y[:, None]
    else:
        loss, slope = (z[:, 0] - y) ** 2, 2 * (z - y[:, None])
    outputs = torch.from_numpy(z).requires_grad_()
    targets = torch.from_numpy(y.astype(np.float32 if task.kind == "regression" else np.int64))
    found = masked_loss(task, outputs, targets, torch.from_numpy(labeled))
    assert (found is None) == (not labeled.any())
    if found is not None:
        found.sum.backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert found.count == labeled.sum()
        assert found.sum.item() == pytest.approx(loss[labeled].sum(), rel=1e-9, abs=1e-9)
        assert np.allclose(outputs.grad.numpy(), slope * labeled[:, None], rtol=1e-9, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("output", [float("nan"), float("inf"), -float("inf"), 3e38, -3e38])
@pytest.mark.parametrize("target", [0, 255, -1, 1e30])
def test_anything_may_stand_where_there_is_no_label(task: Task, dtype: torch.dtype, output: float, target: float) -> None:
    outputs = torch.ones(3, task.outputs, dtype=dtype)
    outputs[1] = output
    outputs.requires_grad_()
    targets = torch.tensor([1.0, target, 0.0]) if task.kind == "regression" else torch.tensor([1, min(int(target), 10**6), 0])
    found = masked_loss(task, outputs, targets, torch.tensor([True, False, True]))
    assert found is not None
    found.sum.backward()  # type: ignore[no-untyped-call]
    alone = torch.ones(2, task.outputs, dtype=dtype).requires_grad_()
    expected = masked_loss(task, alone, targets[[0, 2]], None)
    assert expected is not None
    expected.sum.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert alone.grad is not None
    assert (found.sum.item(), found.count) == (expected.sum.item(), expected.count)
    assert torch.equal(outputs.grad[[0, 2]], alone.grad)
    assert not outputs.grad[1].any()


@pytest.mark.parametrize(
    "classes", [(1, "a", 2.5), ("a\0", "a"), (2**53 + 1, 0.5), (2**70, 1), (True, "yes"), (False, True), ("1", 1), ("", " ")]
)
def test_classes_of_mixed_types_come_back_as_they_were(classes: tuple[Any, ...]) -> None:
    task = Multiclass(name="kind", classes=classes)
    labels = np.empty(len(classes) + 1, dtype=object)
    labels[:-1], labels[-1] = classes, None
    values, labeled = task.encode(labels)
    assert labeled.tolist() == [True] * len(classes) + [False]
    back = task.decode(values[labeled]).tolist()
    assert back == list(classes)
    assert [type(label) for label in back] == [type(label) for label in classes]


@pytest.mark.parametrize("classes", [(0, 1), (0.0, 1.0), (False, True)])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float32", "float64", "object", "boolean", "Int64", "Float64", "category"])
def test_a_gap_elsewhere_changes_no_label(classes: tuple[Any, ...], dtype: str) -> None:
    task = Binary(name="churn", classes=classes)
    whole = pd.Series([True, False, True]).astype("int64").astype(dtype)  # type: ignore[call-overload]
    assert task.encode(np.asarray(whole)).values.tolist() == [1, 0, 1]
    gapped = np.asarray(whole.astype(object)).copy()
    gapped[1] = None
    assert task.encode(gapped).values[[0, 2]].tolist() == [1, 1]


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT])
def test_every_way_to_write_a_gap(gap: Any) -> None:
    for task, label in ((TASKS[0], "b"), (TASKS[1], 1), (TASKS[2], 4.5)):
        labels = np.empty(2, dtype=object)
        labels[:] = [label, gap]
        assert task.encode(labels).labeled.tolist() == [True, False]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_gap_is_no_class(gap: Any) -> None:
    with pytest.raises(ConfigError, match="must not contain NaN or None"):
        Multiclass(name="kind", classes=("a", gap))


@given(number=st.floats(-1e9, 1e9), count=st.integers(1, 50))
def test_a_constant_is_refused_whatever_its_digits(number: float, count: int) -> None:
    with pytest.raises(DataError, match="two different labels"):
        Regression(name="price").fitted(np.full(count, number))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["1", "cheap"]),
        np.array([1, "cheap"], dtype=object),
        np.array([None, {"a": 1}], dtype=object),
        np.array(["NaT", "2020-01-01"], dtype="datetime64[D]"),
        np.array(["NaT", "2020-01-01"], dtype="datetime64[ns]"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(labels: np.ndarray) -> None:
    for use in (Regression(name="price").fitted, Regression(name="price").encode):
        with pytest.raises(DataError, match="task 'price', row 2: a label is not a number"):
            use(labels)


@pytest.mark.parametrize("data", [{"name": "a", "size": 3}, {}, {"name": "a", "mean": 0.0}])
def test_options_that_no_task_has(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="kind 'binary': these options do not fit"):
        task_from_dict({"kind": "binary", **data})


@every
def test_names_and_weights_come_back(task: Task) -> None:
    described = {**task.to_dict(), "name": "Größe (cm)", "weight": 0.25}
    again = task_from_dict(described)
    assert (again.name, again.weight, again.to_dict()) == ("Größe (cm)", 0.25, described)


def test_a_target_that_is_nan_where_there_is_no_label() -> None:
    outputs = torch.ones(2, 1).requires_grad_()
    found = masked_loss(TASKS[2], outputs, torch.tensor([0.0, float("nan")]), torch.tensor([True, False]))
    assert found is not None
    found.sum.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [[2.0], [0.0]]


def test_numbers_beyond_what_can_be_computed_with_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="finite mean and a deviation"):
        Regression(name="price").fitted(np.array([1e200, -1e200]))
    task = Regression(name="price").fitted(np.array([0.0, 2e-3]))
    with pytest.raises(DataError, match="row 2: a label is too far from the training labels"):
        task.encode(np.array([1.0, 1e38]))
    assert task.encode(np.array([np.nan, 1e30])).values[1] == pytest.approx(1e33, rel=1e-6)


@pytest.mark.parametrize("weight", ["1", None, float("nan"), float("inf"), -0.1])
def test_a_weight_is_a_number_from_0_up(weight: Any) -> None:
    with pytest.raises(ConfigError, match="a task's weight must be a finite number"):
        Binary(name="churn", weight=weight)


@pytest.mark.parametrize("weight", [0, 1, 0.5, np.float32(0.5), np.int64(2)])
def test_weights_of_every_type_of_number(weight: Any) -> None:
    assert Binary(name="churn", weight=weight).weight == weight
