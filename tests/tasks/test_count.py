"""Counts: the Poisson deviance, its minimum, and its tangent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import DataError
from polytask.tasks import Count

TASK = Count(name="claims", mean=2.5)


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(z=st.floats(-15, 20), y=st.integers(0, 10**6), other=st.floats(-15, 20))
def test_differences_are_those_of_the_likelihood(z: float, y: int, other: float) -> None:
    """What does not depend on z falls out of a difference of two losses."""
    found = TASK.loss_per_unit(double(z, other).unsqueeze(1), double(y, y))
    expected = -torch.distributions.Poisson(2.5 * torch.exp(double(z, other))).log_prob(double(y, y))
    assert (found[0] - found[1]).item() == pytest.approx((expected[0] - expected[1]).item(), rel=1e-9, abs=1e-6)


@given(z=st.floats(-15, 20), y=st.integers(0, 1000))
def test_it_is_half_the_unit_deviance_of_scikit_learn(z: float, y: int) -> None:
    from sklearn.metrics import mean_poisson_deviance

    found = TASK.loss_per_unit(double(z).unsqueeze(1), double(y)).item()
    assert 2 * found == pytest.approx(mean_poisson_deviance([y], [2.5 * np.exp(z)]), rel=1e-9, abs=1e-9)


@given(y=st.integers(1, 10**6))
def test_the_count_itself_is_the_best_rate(y: int) -> None:
    z = torch.log(double(y) / 2.5).requires_grad_()
    loss = TASK.loss_per_unit(z.unsqueeze(1), double(y))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert z.grad is not None
    assert z.grad.item() == pytest.approx(0, abs=1e-8)


@given(z=st.floats(20, 1e6), y=st.integers(0, 100))
def test_above_20_the_rate_goes_on_as_a_line(z: float, y: int) -> None:
    rate = 2.5 * np.exp(20.0) * (z - 19)
    assert TASK.predict(double(z).unsqueeze(1)).values[0] == pytest.approx(rate, rel=1e-9)
    expected = rate - y + (y * np.log(y / rate) if y else 0)
    assert TASK.loss_per_unit(double(z).unsqueeze(1), double(y)).item() == pytest.approx(expected, rel=1e-9)


def test_the_line_is_the_tangent() -> None:
    slopes = []
    for z in (20 - 1e-9, 20 + 1e-9):
        at = double(z).requires_grad_()
        TASK.loss_per_unit(at.unsqueeze(1), double(3)).sum().backward()  # type: ignore[no-untyped-call]
        assert at.grad is not None
        slopes.append(at.grad.item())
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-8)


def test_the_mean_is_learned_and_an_output_of_0_predicts_it() -> None:
    task = Count(name="claims").fitted(np.array([0, 3, None, 6], dtype=object))
    assert task.mean == 3.0
    assert task.predict(torch.zeros(2, 1)).values.tolist() == [3.0, 3.0]


def test_rates_are_above_0_however_low_the_output() -> None:
    assert (TASK.predict(torch.tensor([[-1e30], [-800.0]])).values > 0).all()


@pytest.mark.parametrize("label", [-1, 0.5, -0.5, float("inf"), "many"])
def test_what_is_no_count_is_named_with_its_row(label: Any) -> None:
    for use in (TASK.encode, TASK.metric_targets, TASK.fitted):
        with pytest.raises(DataError, match="task 'claims', row 3") as caught:
            use(np.array([1, None, label], dtype=object))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [[], [0, 0], [None]])
def test_without_any_event_there_is_no_mean(labels: list[Any]) -> None:
    with pytest.raises(DataError, match="at least one count above 0"):
        TASK.fitted(np.array(labels, dtype=object))
