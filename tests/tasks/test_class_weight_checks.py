"""Weights of classes and smoothed labels: what they do to a loss, and what they leave alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from polytask.errors import ConfigError, DataError
from polytask.tasks import Binary, Multiclass, masked_loss, task_from_dict

CLASSES = ("a", "b", "c")
WEIGHTS = st.floats(0.01, 100)
SHARES = st.floats(0, 0.99)


def outputs_and_codes(classes: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    return torch.randn(20, outputs, generator=generator, dtype=torch.float64), torch.arange(20) % classes


@given(weights=st.tuples(WEIGHTS, WEIGHTS, WEIGHTS), smoothing=SHARES)
def test_the_loss_of_a_unit_is_times_the_weight_of_its_class(weights: tuple[float, ...], smoothing: float) -> None:
    z, y = outputs_and_codes(3, 3)
    found = Multiclass(name="kind", classes=CLASSES, class_weights=weights, label_smoothing=smoothing).loss_per_unit(z, y)
    smooth = (1 - smoothing) * torch.nn.functional.one_hot(y, 3).double() + smoothing / 3
    expected = -(smooth * torch.log_softmax(z, 1)).sum(1) * torch.tensor(weights, dtype=torch.float64)[y]
    assert torch.allclose(found, expected, rtol=1e-12)


@given(weight=WEIGHTS, smoothing=SHARES)
def test_two_classes_are_a_binary_task(weight: float, smoothing: float) -> None:
    z, y = outputs_and_codes(2, 1)
    two = Multiclass(name="kind", classes=(0, 1), class_weights=(1.0, weight), label_smoothing=smoothing)
    one = Binary(name="kind", positive_weight=weight, label_smoothing=smoothing)
    pair = torch.cat([torch.zeros_like(z), z], dim=1)
    assert torch.allclose(one.loss_per_unit(z, y), two.loss_per_unit(pair, y), rtol=1e-9)


def test_a_positive_weight_is_that_of_the_framework() -> None:
    z, y = outputs_and_codes(2, 1)
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0), reduction="none")(z[:, 0], y.double())
    assert torch.allclose(Binary(name="kind", positive_weight=3).loss_per_unit(z, y), expected, rtol=1e-12)


def test_ones_and_no_smoothing_change_no_bit() -> None:
    z, y = outputs_and_codes(3, 3)
    plain = Multiclass(name="kind", classes=CLASSES).loss_per_unit(z, y)
    assert torch.equal(Multiclass(name="kind", classes=CLASSES, class_weights=(1, 1, 1), label_smoothing=0).loss_per_unit(z, y), plain)
    assert torch.equal(plain, torch.nn.functional.cross_entropy(z, y, reduction="none"))
    z, y = outputs_and_codes(2, 1)
    assert torch.equal(Binary(name="kind", positive_weight=1).loss_per_unit(z, y), Binary(name="kind").loss_per_unit(z, y))


def test_the_task_s_loss_is_still_divided_by_the_number_of_units() -> None:
    z, y = outputs_and_codes(3, 3)
    loss = masked_loss(Multiclass(name="kind", classes=CLASSES, class_weights=(2, 2, 2)), z, y, None)
    plain = masked_loss(Multiclass(name="kind", classes=CLASSES), z, y, None)
    assert loss is not None
    assert plain is not None
    assert loss.count == plain.count
    assert loss.mean.item() == pytest.approx(2 * plain.mean.item(), rel=1e-12)


def test_predictions_know_of_neither() -> None:
    z, _ = outputs_and_codes(3, 3)
    plain = Multiclass(name="kind", classes=CLASSES).predict(z)
    heavy = Multiclass(name="kind", classes=CLASSES, class_weights=(9, 1, 1), label_smoothing=0.5).predict(z)
    assert heavy.values.tolist() == plain.values.tolist()
    assert (heavy.probabilities == plain.probabilities).all()


@given(st.lists(st.sampled_from([*CLASSES, None]), min_size=1, max_size=30))
def test_balanced_weights_are_those_of_scikit_learn(labels: list[str | None]) -> None:
    array = np.array(labels, dtype=object)
    task = Multiclass(name="kind", classes=CLASSES, class_weights="balanced").fitted(array)
    known = [label for label in labels if label is not None]
    assert isinstance(task.class_weights, tuple)
    if set(known) == set(CLASSES):
        assert task.class_weights == pytest.approx(compute_class_weight("balanced", classes=np.array(CLASSES), y=known))
        assert sum(task.class_weights[CLASSES.index(label)] for label in known) == pytest.approx(len(known))
    assert all(task.class_weights[code] == 1 for code, label in enumerate(CLASSES) if label not in known)


def test_a_balanced_positive_weight_makes_both_classes_equally_heavy() -> None:
    task = Binary(name="kind", positive_weight="balanced").fitted(np.array([0, 0, 0, 1, np.nan]))
    assert task.positive_weight == 3.0
    with pytest.raises(DataError, match="found 2 negatives and 0 positives"):
        Binary(name="kind", positive_weight="balanced").fitted(np.array([0, 0]))


@pytest.mark.parametrize(
    "task",
    [
        Multiclass(name="kind", classes=CLASSES, class_weights="balanced", label_smoothing=0.1),
        Multiclass(name="kind", classes=CLASSES, class_weights="balanced").fitted(np.array(["a", "b", "c", "c"])),
        Multiclass(name="kind", classes=CLASSES, class_weights=[np.float32(0.5), 1, 2]),  # type: ignore[arg-type]
        Binary(name="kind", positive_weight="balanced"),
        Binary(name="kind", positive_weight=np.int64(2), label_smoothing=0.2),  # type: ignore[arg-type]
    ],
)
def test_there_and_back_as_plain_data(task: Any) -> None:
    assert task_from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_balanced_weights_that_nobody_counted_are_no_numbers() -> None:
    for task, outputs in (
        (Multiclass(name="kind", classes=CLASSES, class_weights="balanced"), 3),
        (Binary(name="kind", positive_weight="balanced"), 1),
    ):
        with pytest.raises(ConfigError, match="must first be computed from training labels"):
            task.loss_per_unit(torch.zeros(2, outputs), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    "weights", ["balance", (1, 2), (1, 2, 0), (1, 2, -1), (1, 2, float("nan")), (1, 2, float("inf")), (1, 2, "3"), 2.0, (1, 2, True)]
)
def test_weights_that_cannot_be(weights: Any) -> None:
    with pytest.raises(ConfigError, match="task 'kind', class_weights") as caught:
        Multiclass(name="kind", classes=CLASSES, class_weights=weights)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weight", ["balance", 0, -1, float("nan"), float("inf"), (1, 2), True])
def test_a_positive_weight_that_cannot_be(weight: Any) -> None:
    with pytest.raises(ConfigError, match="task 'kind', positive_weight"):
        Binary(name="kind", positive_weight=weight)


@pytest.mark.parametrize("smoothing", [-0.1, 1, float("nan"), "0.1", None, True])
def test_a_smoothing_that_cannot_be(smoothing: Any) -> None:
    for make in (
        lambda: Binary(name="kind", label_smoothing=smoothing),
        lambda: Multiclass(name="kind", classes=CLASSES, label_smoothing=smoothing),
    ):
        with pytest.raises(ConfigError, match=r"must be a number in \[0, 1\)"):
            make()
