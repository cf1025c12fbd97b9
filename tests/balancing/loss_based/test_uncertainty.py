"""Uncertainty weighting: the gradient of its written loss, and where it settles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import Uncertainty
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(*losses: float) -> MatrixStatistic:
    names = tuple(str(number) for number in range(len(losses)))
    return MatrixStatistic(torch.zeros(len(losses), 1), torch.tensor(losses, dtype=torch.float64), names)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4), st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_the_weights_are_the_derivative_of_the_written_loss(losses: list[float], logs: list[float]) -> None:
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(logs[: len(losses)], dtype=torch.float64)
    (0.5 * torch.exp(-s) * values + 0.5 * s).sum().backward()  # type: ignore[no-untyped-call]
    balancer = Uncertainty()
    balancer.load_state_dict({str(number): {"value": value} for number, value in enumerate(s.tolist())})
    assert torch.allclose(balancer.weigh(step(*losses)).values, values.grad, rtol=1e-12)


def test_it_steps_as_pytorchs_adam_does_on_the_written_loss() -> None:
    random = torch.Generator().manual_seed(0)
    s = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    balancer = Uncertainty(lr=0.05)
    for _ in range(60):
        losses = torch.rand(3, generator=random, dtype=torch.float64) * 4 + 0.1
        adam.zero_grad()
        (0.5 * torch.exp(-s) * losses + 0.5 * s).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        balancer.update_state(step(*losses.tolist()))
    ours = [balancer.state_dict()[str(number)]["value"] for number in range(3)]
    assert ours == pytest.approx(s.tolist(), rel=1e-10)


@pytest.mark.parametrize("loss", [0.05, 1.0, 7.0])
def test_it_settles_where_the_weight_is_half_of_one_over_the_loss(loss: float) -> None:
    balancer = Uncertainty(lr=0.05)
    for _ in range(4_000):
        balancer.update_state(step(loss))
    assert balancer.state_dict()["0"]["value"] == pytest.approx(math.log(loss), abs=1e-3)
    assert balancer.weigh(step(loss)).values.item() == pytest.approx(0.5 / loss, rel=2e-3)


def test_the_first_adam_step_is_the_learning_rate() -> None:
    assert AdamScalar(1.0).stepped(-7.0, lr=0.25).value == pytest.approx(1.25)


@pytest.mark.parametrize("lr", [0.0, -1.0, math.inf, math.nan])
def test_a_learning_rate_that_cannot_be(lr: float) -> None:
    with pytest.raises(ConfigError, match="uncertainty, lr: a number above 0"):
        Uncertainty(lr=lr)
