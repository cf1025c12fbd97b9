"""Every kind of task: its loss from the formula, its labels there and back, and gaps that have no influence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.registry import names
from polytask.tasks import Binary, Loss, Multiclass, Regression, Task, loss_of, task_from_dict


@dataclass(frozen=True)
class Row:
    """One kind.

    Attributes:
        task: An example, fitted.
        labels: Original labels, with gaps.
        foreign: A label that cannot be.
    """

    task: Task
    labels: list[Any]
    foreign: Any

    def formula(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss per unit, written down once more."""
        if self.task.kind == "multiclass":
            return np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(targets)), targets]
        if self.task.kind == "binary":
            return np.log1p(np.exp(outputs[:, 0])) - targets * outputs[:, 0]
        return (outputs[:, 0] - targets) ** 2


ROWS = (
    Row(Multiclass(name="kind", classes=("a", "b", "c")), ["c", None, "a", "b"], "d"),
    Row(Binary(name="churn", classes=("stays", "leaves")), ["leaves", None, "stays", "leaves"], "perhaps"),
    Row(Regression(name="price", mean=3.0, deviation=2.0), [1.0, np.nan, 4.0, 9.0], "cheap"),
)
every = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.task.kind)


def outputs_for(row: Row, rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, row.task.outputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_every_kind_has_a_row() -> None:
    assert sorted([*(row.task.kind for row in ROWS), "tagging"]) == sorted(names("task kind"))  # tagging: test_tagging.py


@every
def test_the_loss_is_its_formula(row: Row) -> None:
    values, labelled = row.task.encode(np.array(row.labels, dtype=object))
    assert labelled.tolist() == [True, False, True, True]
    outputs = outputs_for(row)
    loss = loss_of(row.task, outputs, torch.from_numpy(values), torch.from_numpy(labelled))
    assert loss is not None
    expected = row.formula(outputs.numpy(), values.astype(np.float64) if row.task.kind == "regression" else values)
    assert loss.count == 3
    assert loss.sum.item() == pytest.approx(expected[labelled].sum(), rel=1e-6)
    assert loss.mean.item() == pytest.approx(expected[labelled].mean(), rel=1e-6)


@every
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_unit_without_label_has_no_influence(row: Row, poison: float) -> None:
    values, labelled = (torch.from_numpy(part) for part in row.task.encode(np.array(row.labels, dtype=object)))
    clean = outputs_for(row).requires_grad_()
    dirty = clean.detach().clone()
    dirty[1] = poison
    dirty.requires_grad_()
    for outputs in (clean, dirty):
        loss = loss_of(row.task, outputs, values, labelled)
        assert loss is not None
        loss.sum.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(clean.grad[labelled], dirty.grad[labelled])
    assert not dirty.grad[1].any()


@every
def test_no_label_at_all_is_absence(row: Row) -> None:
    values, _ = row.task.encode(np.array(row.labels, dtype=object))
    assert loss_of(row.task, outputs_for(row), torch.from_numpy(values), torch.zeros(4, dtype=torch.bool)) is None
    assert loss_of(row.task, outputs_for(row, rows=0), torch.from_numpy(values[:0]), None) is None


@every
def test_half_precision_outputs_are_judged_in_full(row: Row) -> None:
    values, _ = row.task.encode(np.array([row.labels[0]] * 4, dtype=object))
    outputs = outputs_for(row).bfloat16()
    half, full = (loss_of(row.task, found, torch.from_numpy(values), None) for found in (outputs, outputs.float()))
    assert half is not None
    assert full is not None
    assert half.sum.dtype == torch.float32
    assert torch.equal(half.sum, full.sum)


@every
def test_labels_there_and_back(row: Row) -> None:
    known = [label for label in row.labels if label is not None and label == label]
    values = row.task.values(np.array(known, dtype=object))
    assert row.task.decode(values).tolist() == known


@every
def test_a_foreign_label_is_one_line_that_names_the_task(row: Row) -> None:
    with pytest.raises(DataError, match=f"task '{row.task.name}'") as caught:
        row.task.encode(np.array([*row.labels, row.foreign], dtype=object))
    assert "\n" not in str(caught.value)
    if row.task.kind != "regression":
        assert "row 4" in str(caught.value)


@every
def test_it_is_built_again_from_plain_data(row: Row) -> None:
    import json

    assert task_from_dict(json.loads(json.dumps(row.task.to_dict()))) == row.task


@every
def test_predictions_are_in_the_coding_of_values(row: Row) -> None:
    values, probabilities = row.task.predict(outputs_for(row))
    assert values.shape == (4,)
    if probabilities is None:
        assert values.dtype == np.float64
    else:
        assert probabilities.dtype == np.float64
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
        assert values.tolist() == probabilities.argmax(axis=1).tolist()


@given(st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 6)), min_size=2, max_size=20, unique=True))
def test_regression_learns_its_units_from_the_labels(numbers: list[float]) -> None:
    labels = np.array([*numbers, np.nan])
    task = Regression(name="price").fitted(labels)
    encoded = task.encode(labels)
    assert encoded.values[:-1].mean() == pytest.approx(0, abs=1e-4)
    assert encoded.values[:-1].std() == pytest.approx(1, abs=1e-4)
    back, _ = task.predict(torch.from_numpy(encoded.values[:-1]).unsqueeze(1))
    assert back == pytest.approx(np.array(numbers), rel=1e-5, abs=1e-5 * task.deviation)


@pytest.mark.parametrize("labels", [[], [np.nan], [2.0, 2.0, np.nan]])
def test_regression_needs_two_different_labels(labels: list[float]) -> None:
    with pytest.raises(DataError, match="two different labels"):
        Regression(name="price").fitted(np.array(labels))


@pytest.mark.parametrize("label", [float("inf"), -float("inf")])
def test_an_infinite_label_is_refused(label: float) -> None:
    with pytest.raises(DataError, match="row 1"):
        Regression(name="price").encode(np.array([1.0, label]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Multiclass(name="", classes=(1, 2)), "needs a name"),
        (lambda: Multiclass(name="a", classes=(1,)), "at least 2 classes"),
        (lambda: Multiclass(name="a", classes=(1, 2, 1)), "stands once"),
        (lambda: Binary(name="a", classes=(1, 2, 3)), "two classes"),
        (lambda: Binary(name="a", weight=-1.0), "weight"),
        (lambda: Regression(name="a", deviation=0.0), "deviation above 0"),
        (lambda: task_from_dict({"kind": "regresion", "name": "a"}), "Did you mean 'regression'"),
    ],
)
def test_what_cannot_be(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make()


@pytest.mark.parametrize("classes", [(0, 1, 2), ("x", "y", "z"), (0.5, 1.5, 2.5), (np.int64(3), np.int64(4), np.int64(5))])
def test_classes_of_every_type(classes: tuple[Any, ...]) -> None:
    task = Multiclass(name="kind", classes=classes)
    labels = np.array(classes)[[2, 0, 1]]
    assert task.encode(labels).values.tolist() == [2, 0, 1]
    assert task.decode(np.array([2, 0, 1])).tolist() == labels.tolist()


def test_losses_add_up() -> None:
    total = Loss(torch.tensor(2.0), 1) + Loss(torch.tensor(4.0), 2)
    assert total.mean.item() == 2.0
