"""IMTL-L: the gradient of its written loss, and where it settles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import IMTLL
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(*losses: float) -> MatrixStatistic:
    names = tuple(str(number) for number in range(len(losses)))
    return MatrixStatistic(torch.zeros(len(losses), 1), torch.tensor(losses, dtype=torch.float64), names)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4), st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_the_weights_are_the_derivative_of_the_written_loss(losses: list[float], logs: list[float]) -> None:
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(logs[: len(losses)], dtype=torch.float64)
    (torch.exp(s) * values - s).sum().backward()  # type: ignore[no-untyped-call]
    balancer = IMTLL()
    balancer.load_state_dict({str(number): {"value": value} for number, value in enumerate(s.tolist())})
    assert torch.allclose(balancer.weigh(step(*losses)).values, values.grad, rtol=1e-12)


def test_it_steps_as_pytorchs_adam_does_on_the_written_loss() -> None:
    random = torch.Generator().manual_seed(0)
    s = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    balancer = IMTLL(lr=0.05)
    for _ in range(60):
        losses = torch.rand(3, generator=random, dtype=torch.float64) * 4 + 0.1
        adam.zero_grad()
        (torch.exp(s) * losses - s).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        balancer.update_state(step(*losses.tolist()))
    ours = [balancer.state_dict()[str(number)]["value"] for number in range(3)]
    assert ours == pytest.approx(s.tolist(), rel=1e-10)


@pytest.mark.parametrize("loss", [0.05, 1.0, 7.0])
def test_it_settles_where_the_weighted_loss_is_1(loss: float) -> None:
    balancer = IMTLL(lr=0.05)
    for _ in range(4_000):
        balancer.update_state(step(loss))
    assert balancer.weigh(step(loss)).values.item() * loss == pytest.approx(1.0, rel=2e-3)


@pytest.mark.parametrize("lr", [0.0, -1.0, math.inf, math.nan])
def test_a_learning_rate_that_cannot_be(lr: float) -> None:
    with pytest.raises(ConfigError, match="imtl-l, lr: a number above 0"):
        IMTLL(lr=lr)


def test_a_start_that_is_no_number() -> None:
    with pytest.raises(ConfigError, match="imtl-l, initial_value: a finite number is needed"):
        IMTLL(initial_value=math.nan)


def test_a_loss_that_stays_at_0_leaves_a_number() -> None:
    balancer = IMTLL(lr=100.0)
    for _ in range(20):
        balancer.update_state(step(0.0))
    assert math.isfinite(balancer.weigh(step(0.0)).values.item())
