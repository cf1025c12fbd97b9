"""Ordered classes: probabilities that never cross, and a median that errs least."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.tasks import Binary, Ordinal

TASK = Ordinal(name="grade", classes=("a", "b", "c", "d"))
OUTPUTS = st.lists(st.tuples(*[st.floats(-50, 50)] * 3), min_size=1, max_size=5)


@given(OUTPUTS)
def test_probabilities_are_differences_of_falling_ones(rows: list[tuple[float, ...]]) -> None:
    z = torch.tensor(rows, dtype=torch.float64)
    _, probabilities = TASK.predict(z)
    assert probabilities is not None
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-12)
    logits = z.numpy().copy()
    logits[:, 1:] = -np.logaddexp(0, logits[:, 1:])
    above = 1 / (1 + np.exp(-logits.cumsum(axis=1)))
    assert (np.diff(above, axis=1) <= 0).all()
    bounds = np.concatenate([np.ones((len(z), 1)), above, np.zeros((len(z), 1))], axis=1)
    assert probabilities == pytest.approx(-np.diff(bounds, axis=1), abs=1e-12)


@given(OUTPUTS)
def test_the_loss_is_the_likelihood_of_the_probabilities(rows: list[tuple[float, ...]]) -> None:
    z = torch.tensor(rows, dtype=torch.float64)
    _, probabilities = TASK.predict(z)
    for rank in range(4):
        found = TASK.loss_per_unit(z, torch.full((len(z),), rank))
        assert probabilities is not None
        assert torch.exp(-found).numpy() == pytest.approx(probabilities[:, rank], rel=1e-12, abs=1e-300)


def test_no_digits_are_lost_where_two_thresholds_nearly_meet() -> None:
    """P = σ(a) − σ(b) with a − b = 2e-18 is 0 if it is subtracted."""
    z = torch.tensor([[1.0, -40.0, 0.0]], dtype=torch.float64)
    sigmoid = 1 / (1 + np.exp(-1))
    expected = -np.log(sigmoid * (1 - sigmoid)) + 40
    assert TASK.loss_per_unit(z, torch.tensor([1])).item() == pytest.approx(expected, rel=1e-12)


@given(OUTPUTS)
def test_the_median_has_the_least_expected_error_of_ranks(rows: list[tuple[float, ...]]) -> None:
    values, probabilities = TASK.predict(torch.tensor(rows, dtype=torch.float64))
    assert probabilities is not None
    errors = probabilities @ np.abs(np.arange(4)[:, None] - np.arange(4))
    assert errors[np.arange(len(values)), values] == pytest.approx(errors.min(axis=1), abs=1e-9)


def test_two_classes_are_a_binary_task() -> None:
    z, y = torch.linspace(-60, 60, 25, dtype=torch.float64).unsqueeze(1), torch.arange(25) % 2
    ordinal, binary = Ordinal(name="grade", classes=("low", "high")), Binary(name="grade", classes=("low", "high"))
    assert torch.allclose(ordinal.loss_per_unit(z, y), binary.loss_per_unit(z, y), rtol=1e-12)
    found, expected = ordinal.predict(z), binary.predict(z)
    assert found.values.tolist() == expected.values.tolist()
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-12)


def test_thresholds_that_stay_the_same_are_proportional_odds() -> None:
    """With z_2 and z_3 the same for all units the log-odds of all steps move together."""
    shift = torch.linspace(-3, 3, 7, dtype=torch.float64)
    z = torch.stack([shift, torch.full_like(shift, 0.3), torch.full_like(shift, -0.2)], dim=1)
    _, probabilities = TASK.predict(z)
    assert probabilities is not None
    above = probabilities[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    log_odds = np.log(above / (1 - above))
    assert log_odds - log_odds[:, :1] == pytest.approx(np.tile((log_odds - log_odds[:, :1])[0], (7, 1)), abs=1e-9)


def test_the_order_is_that_of_the_classes() -> None:
    assert TASK.encode(np.array(["d", "a", None], dtype=object)).values.tolist() == [3, 0, 0]
    assert Ordinal(name="grade", classes=("small", "medium", "large")).decode(np.array([0, 2])).tolist() == ["small", "large"]
