"""Every kind of task: its loss from the formula, its labels there and back, and gaps that have no influence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.registry import find, load_class, names
from polytask.tasks import (
    Binary,
    Count,
    Loss,
    Multiclass,
    Multilabel,
    Ordinal,
    Quantile,
    Regression,
    Survival,
    Task,
    masked_loss,
    task_from_dict,
)


@dataclass(frozen=True)
class Row:
    """One kind.

    Attributes:
        task: An example, fitted.
        labels: Original labels, with gaps.
        foreign: A label that cannot be.
        formula: The loss per unit, written down once more: of outputs (n, outputs) and targets (n, ...).
    """

    task: Task
    labels: list[Any]
    foreign: Any
    formula: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _multiclass(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]


def _binary(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(z[:, 0])) - y * z[:, 0]


def _regression(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (z[:, 0] - y) ** 2


def _multilabel(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.log1p(np.exp(z)) - y * z).sum(axis=1)


def _count(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 2 * np.exp(z[:, 0]) - y + y * np.log(np.maximum(y, 1) / (2 * np.exp(z[:, 0])))


def _ordinal(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    a = np.cumsum(np.concatenate([z[:, :1], -np.logaddexp(0, z[:, 1:])], axis=1), axis=1)
    above = np.concatenate([np.ones((len(z), 1)), 1 / (1 + np.exp(-a)), np.zeros((len(z), 1))], axis=1)
    return -np.log(above[np.arange(len(z)), y] - above[np.arange(len(z)), y + 1])


def _quantile(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    q = np.stack([z[:, 0], z[:, 0] + np.log1p(np.exp(z[:, 1])), z[:, 0] + np.log1p(np.exp(z[:, 1:])).sum(axis=1)], axis=1)
    losses = [np.where(y >= q[:, k], level * (y - q[:, k]), (1 - level) * (q[:, k] - y)) for k, level in enumerate((0.1, 0.5, 0.9))]
    return np.mean(losses, axis=0)


def _survival(z: np.ndarray, code: np.ndarray) -> np.ndarray:
    hazards = 1 / (1 + np.exp(-z))
    chances = [np.prod(1 - h[: c % 4]) * (h[c % 4] if c > 3 else 1) for h, c in zip(hazards, code, strict=True)]
    return -np.log(chances)


ROWS = (
    Row(Multiclass(name="kind", classes=("a", "b", "c")), ["c", None, "a", "b"], "d", _multiclass),
    Row(Binary(name="churn", classes=("stays", "leaves")), ["leaves", None, "stays", "leaves"], "perhaps", _binary),
    Row(Regression(name="price", mean=3.0, deviation=2.0), [1.0, np.nan, 4.0, 9.0], "cheap", _regression),
    Row(Multilabel(name="topics", classes=("a", "b", "c")), ["a|c", None, "-", "b"], "d", _multilabel),
    Row(Ordinal(name="grade", classes=("poor", "fair", "good")), ["good", None, "poor", "fair"], "bad", _ordinal),
    Row(Count(name="claims", mean=2.0), [0.0, np.nan, 3.0, 1.0], 1.5, _count),
    Row(Quantile(name="price", mean=3.0, deviation=2.0), [1.0, np.nan, 4.0, 9.0], "cheap", _quantile),
    Row(Survival(name="stay", intervals=3, edges=(1.0, 2.0, 4.0)), [0.5, np.nan, -3.5, 4.0], 0.0, _survival),
    *(Row(**row) for point in entry_points(group="polytask.battery", name="task-kind") for row in point.load()),
)
CODED = ("multiclass", "binary", "ordinal")
every = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.task.kind)


def outputs_for(row: Row, rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, row.task.outputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_every_kind_has_a_row() -> None:
    elsewhere = ("tagging", "custom", "vector")  # test_tagging.py, test_custom.py, test_vector_regression.py
    assert sorted([*(row.task.kind for row in ROWS), *elsewhere]) == sorted(names("task kind"))


@every
def test_the_loss_is_its_formula(row: Row) -> None:
    values, labeled = row.task.encode(np.array(row.labels, dtype=object))
    assert labeled.tolist() == [True, False, True, True]
    outputs = outputs_for(row)
    loss = masked_loss(row.task, outputs, torch.from_numpy(values), torch.from_numpy(labeled))
    assert loss is not None
    expected = row.formula(outputs.numpy(), values.astype(np.float64) if values.dtype == np.float32 else values)
    assert loss.count == 3
    assert loss.sum.item() == pytest.approx(expected[labeled].sum(), rel=1e-6)
    assert loss.mean.item() == pytest.approx(expected[labeled].mean(), rel=1e-6)


@every
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_unit_without_label_has_no_influence(row: Row, poison: float) -> None:
    values, labeled = (torch.from_numpy(part) for part in row.task.encode(np.array(row.labels, dtype=object)))
    clean = outputs_for(row).requires_grad_()
    dirty = clean.detach().clone()
    dirty[1] = poison
    dirty.requires_grad_()
    for outputs in (clean, dirty):
        loss = masked_loss(row.task, outputs, values, labeled)
        assert loss is not None
        loss.sum.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(clean.grad[labeled], dirty.grad[labeled])
    assert not dirty.grad[1].any()


@every
def test_no_label_at_all_is_absence(row: Row) -> None:
    values, _ = row.task.encode(np.array(row.labels, dtype=object))
    assert masked_loss(row.task, outputs_for(row), torch.from_numpy(values), torch.zeros(4, dtype=torch.bool)) is None
    assert masked_loss(row.task, outputs_for(row, rows=0), torch.from_numpy(values[:0]), None) is None


@every
def test_half_precision_outputs_are_judged_in_full(row: Row) -> None:
    values, _ = row.task.encode(np.array([row.labels[0]] * 4, dtype=object))
    outputs = outputs_for(row).bfloat16()
    half, full = (masked_loss(row.task, found, torch.from_numpy(values), None) for found in (outputs, outputs.float()))
    assert half is not None
    assert full is not None
    assert half.sum.dtype == torch.float32
    assert torch.equal(half.sum, full.sum)


@every
def test_labels_there_and_back(row: Row) -> None:
    known = [label for label in row.labels if label is not None and label == label]
    values = row.task.metric_targets(np.array(known, dtype=object))
    assert row.task.decode(values).tolist() == known


@every
def test_a_foreign_label_is_one_line_that_names_the_task(row: Row) -> None:
    with pytest.raises(DataError, match=f"task '{row.task.name}'") as caught:
        row.task.encode(np.array([*row.labels, row.foreign], dtype=object))
    assert "\n" not in str(caught.value)
    if row.task.kind != "regression":
        assert "row 5" in str(caught.value)


@every
def test_it_is_built_again_from_plain_data(row: Row) -> None:
    import json

    assert task_from_dict(json.loads(json.dumps(row.task.to_dict()))) == row.task


@every
def test_predictions_are_in_the_coding_of_values(row: Row) -> None:
    values, probabilities = row.task.predict(outputs_for(row))
    assert values.shape == (4,)
    if row.task.kind not in CODED:
        assert values.dtype == (object if row.task.kind in ("multilabel", "quantile") else np.float64)
    else:
        assert probabilities.dtype == np.float64
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
        likeliest = probabilities.argmax(axis=1) if row.task.kind != "ordinal" else (probabilities.cumsum(axis=1) < 0.5).sum(axis=1)
        assert values.tolist() == likeliest.tolist()


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
    with pytest.raises(DataError, match="row 2"):
        Regression(name="price").encode(np.array([1.0, label]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Multiclass(name="", classes=(1, 2)), "needs a name"),
        (lambda: Multiclass(name="a", classes=(1,)), "at least 2 classes"),
        (lambda: Multiclass(name="a", classes=(1, 2, 1)), "classes must be unique"),
        (lambda: Binary(name="a", classes=(1, 2, 3)), "must have two classes"),
        (lambda: Binary(name="a", weight=-1.0), "weight"),
        (lambda: Regression(name="a", deviation=0.0), "deviation above 0"),
        (lambda: Multilabel(name="a", classes=()), "at least 1 classes"),
        (lambda: Multilabel(name="a", classes=("x", "x|y")), "a class must be a non-empty string"),
        (lambda: Multilabel(name="a", classes=("x, y",), separator=", "), "a class must be a non-empty string"),
        (lambda: Multilabel(name="a", classes=("-", "x")), "a class must be a non-empty string"),
        (lambda: Multilabel(name="a", classes=("", "x")), "a class must be a non-empty string"),
        (lambda: Multilabel(name="a", classes=("1", 1)), "classes must be unique"),
        (lambda: Multilabel(name="a", classes=("x",), separator=""), "the separator must be a non-empty string"),
        (lambda: Ordinal(name="a", classes=("x",)), "at least 2 classes"),
        (lambda: Count(name="a", mean=0.0), "mean above 0"),
        (lambda: Count(name="a", mean=float("inf")), "mean above 0"),
        (lambda: Quantile(name="a", levels=()), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", levels=(0.5, 0.5)), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", levels=(0.0, 0.5)), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", levels=(0.5, float("nan"))), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", levels="ab"), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", levels=0.5), "levels must increase and lie between 0 and 1"),
        (lambda: Quantile(name="a", deviation=0.0), "deviation above 0"),
        (lambda: Survival(name="a", intervals=0), "at least one interval"),
        (lambda: Survival(name="a", intervals=2.5), "at least one interval"),
        (lambda: Survival(name="a", intervals=2, edges=(1.0,)), "edges must be the ends"),
        (lambda: Survival(name="a", intervals=2, edges=(2.0, 1.0)), "edges must be the ends"),
        (lambda: Survival(name="a", intervals=1, edges=(0.0,)), "edges must be the ends"),
        (lambda: Survival(name="a", intervals=1, edges=(float("inf"),)), "edges must be the ends"),
        (lambda: Count(name="a", metric="deviance"), "poisson-deviance"),
        (lambda: task_from_dict({"kind": "regresion", "name": "a"}), "Did you mean 'regression'"),
    ],
)
def test_what_cannot_be(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("classes", [(0, 1, 2), ("x", "y", "z"), (0.5, 1.5, 2.5), (np.int64(3), np.int64(4), np.int64(5))])
def test_classes_of_every_type(classes: tuple[Any, ...]) -> None:
    task = Multiclass(name="kind", classes=classes)
    labels = np.array(classes)[[2, 0, 1]]
    assert task.encode(labels).values.tolist() == [2, 0, 1]
    assert task.decode(np.array([2, 0, 1])).tolist() == labels.tolist()


@every
def test_the_slope_is_that_of_the_loss(row: Row) -> None:
    values, labeled = (torch.from_numpy(part) for part in row.task.encode(np.array(row.labels, dtype=object)))
    outputs = outputs_for(row)[labeled].requires_grad_()
    targets = values[labeled].double() if values.is_floating_point() else values[labeled]
    assert torch.autograd.gradcheck(lambda z: row.task.loss_per_unit(z, targets), outputs)


@every
@pytest.mark.parametrize("size", [0.0, 30.0, 1e3, 1e6])
def test_wild_outputs_have_finite_losses_and_slopes(row: Row, size: float) -> None:
    values, labeled = (torch.from_numpy(part) for part in row.task.encode(np.array(row.labels, dtype=object)))
    signs = torch.sign(outputs_for(row))
    for outputs in (size * signs.float(), -size * signs.float()):
        outputs.requires_grad_()
        loss = masked_loss(row.task, outputs, values, labeled)
        assert loss is not None
        loss.sum.backward()  # type: ignore[no-untyped-call]
        assert torch.isfinite(loss.sum)
        assert outputs.grad is not None
        assert torch.isfinite(outputs.grad).all()


def test_metrics_of_kinds_are_those_that_verdicts_know() -> None:
    from polytask.metrics.metric_functions import METRICS

    kinds = {name: load_class(find("task kind", name)) for name in names("task kind")}
    assert all(kind.kind == name for name, kind in kinds.items())
    assert {metric for kind in kinds.values() for metric in kind.metrics if isinstance(metric, str)} == set(METRICS)
    assert all(metric.influence is not None and metric.perfect is not None for metric in METRICS.values())


def test_losses_add_up() -> None:
    total = Loss(torch.tensor(2.0), 1) + Loss(torch.tensor(4.0), 2)
    assert total.mean.item() == 2.0
