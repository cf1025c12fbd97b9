"""Sets of labels: every way to write them, and their loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import DataError
from polytask.tasks import Binary, Multilabel, masked_loss

TASK = Multilabel(name="topics", classes=("a", "b", "c"))
SETS = st.sets(st.sampled_from(["a", "b", "c"]))


def column(*labels: Any) -> np.ndarray:
    found = np.empty(len(labels), dtype=object)
    found[:] = labels
    return found


@given(SETS, st.sampled_from([tuple, list, set, frozenset, "|".join]))
def test_every_way_to_write_a_set(labels: set[str], write: Any) -> None:
    written = write(sorted(labels)) or ("-" if write == "|".join else write())
    values, labeled = TASK.encode(column(written, None, float("nan")))
    assert values[0].tolist() == [float(text in labels) for text in ("a", "b", "c")]
    assert values.dtype == np.float32
    assert labeled.tolist() == [True, False, False]
    assert TASK.metric_targets(column(written)).tolist() == ["|".join(sorted(labels)) or "-"]


@pytest.mark.parametrize("separator", ["|", ", ", ";", "-"])
def test_labels_may_have_any_separator_and_predictions_have_one(separator: str) -> None:
    task = Multilabel(name="topics", classes=("a", "b", "c"), separator=separator)
    assert task.metric_targets(column(f"c{separator}a", "-", "b")).tolist() == ["a|c", "-", "b"]


def test_numbers_among_the_classes_are_texts() -> None:
    task = Multilabel(name="topics", classes=(1, 2, 30))
    assert task.classes == ("1", "2", "30")
    assert task.metric_targets(column((30, 1), "2")).tolist() == ["1|30", "2"]


@pytest.mark.parametrize(
    ("label", "text"), [("a|d", "'d'"), ("", "''"), ("a||b", "''"), (3, "one string, or a tuple"), (("a", "-"), "'-'"), ("a, b", "'a, b'")]
)
def test_a_foreign_label_is_named_with_its_row(label: Any, text: str) -> None:
    with pytest.raises(DataError, match=f"task 'topics', row 2.*{text}"):
        TASK.encode(column("a", label))


@given(st.lists(st.none() | SETS, max_size=5))
def test_sets_become_texts_that_say_the_same(sets: list[set[str] | None]) -> None:
    texts = Multilabel.labels(sets)
    assert [text is None for text in texts] == [own is None for own in sets]
    for found, expected in zip(TASK.encode(texts), TASK.encode(column(*sets)), strict=True):
        assert found.tolist() == expected.tolist()


def test_a_single_class_is_a_binary_task() -> None:
    z, y = torch.linspace(-40, 40, 9, dtype=torch.float64).unsqueeze(1), torch.arange(9) % 2
    one = Multilabel(name="topics", classes=("a",))
    assert torch.allclose(one.loss_per_unit(z, y.unsqueeze(1)), Binary(name="a").loss_per_unit(z, y), rtol=1e-12)


def test_the_loss_is_that_of_independent_labels() -> None:
    z = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = (torch.arange(18).reshape(6, 3) % 4 == 0).double()
    expected = -torch.distributions.Independent(torch.distributions.Bernoulli(logits=z), 1).log_prob(y)
    assert torch.allclose(TASK.loss_per_unit(z, y), expected, rtol=1e-12)


def test_the_loss_is_the_mean_over_rows_and_not_over_cells() -> None:
    z, y = torch.zeros(4, 3), torch.zeros(4, 3)
    loss = masked_loss(TASK, z, y, torch.tensor([True, True, False, True]))
    assert loss is not None
    assert loss.count == 3
    assert loss.mean.item() == pytest.approx(3 * np.log(2), rel=1e-6)


def test_as_many_rows_as_classes_are_still_rows() -> None:
    """A mask of rows must not be taken for one of columns."""
    z = torch.zeros(3, 3, requires_grad=True)
    loss = masked_loss(TASK, z, torch.ones(3, 3), torch.tensor([True, False, False]))
    assert loss is not None
    loss.sum.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert z.grad.tolist() == [[-0.5] * 3, [0.0] * 3, [0.0] * 3]


def test_predictions_are_what_is_likelier_than_not() -> None:
    values, probabilities = TASK.predict(torch.tensor([[1.0, -1.0, 2.0], [-1.0, -2.0, 0.0]]))
    assert values.tolist() == ["a|c", "-"]
    assert probabilities is not None
    assert probabilities == pytest.approx(1 / (1 + np.exp(-np.array([[1.0, -1, 2], [-1, -2, 0]]))))
