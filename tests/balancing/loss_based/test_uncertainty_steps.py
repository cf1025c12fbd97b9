"""Uncertainty weighting: the slope along which s descends, and tasks that come and go."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import Uncertainty
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(**losses: float) -> MatrixStatistic:
    values = torch.tensor(list(losses.values()), dtype=torch.float64)
    return MatrixStatistic(torch.zeros(len(losses), 1), values, tuple(losses))


@given(st.floats(1e-3, 1e3), st.floats(-3, 3))
def test_the_slope_of_s_is_the_derivative_of_the_written_loss(loss: float, log_variance: float) -> None:
    """Read off the first moment, which is a tenth of the first slope."""
    s = torch.tensor(log_variance, dtype=torch.float64, requires_grad=True)
    (0.5 * torch.exp(-s) * loss + 0.5 * s).backward()  # type: ignore[no-untyped-call]
    balancer = Uncertainty(initial_value=log_variance)
    balancer.update_state(step(a=loss))
    assert balancer.state_dict()["a"]["first"] == pytest.approx(0.1 * s.grad.item(), rel=1e-9, abs=1e-14)


def test_at_the_logarithm_of_the_loss_it_rests() -> None:
    balancer = Uncertainty(initial_value=float(torch.tensor(2.5, dtype=torch.float64).log()))
    balancer.update_state(step(a=2.5))
    assert balancer.state_dict()["a"]["first"] == pytest.approx(0.0, abs=1e-15)


def test_a_task_that_pauses_goes_on_as_if_no_step_had_been() -> None:
    """Its bias correction counts its own steps, not those of the run."""
    paused, alone = Uncertainty(), Uncertainty()
    for loss in (3.0, 0.5, 2.0):
        alone.update_state(step(a=loss))
        paused.update_state(step(a=loss, b=1.0))
        paused.update_state(step(b=7.0))
    assert paused.state_dict()["a"] == alone.state_dict()["a"]
    assert paused.state_dict()["b"]["steps"] == 6


def test_tasks_do_not_feel_each_other() -> None:
    with_huge, with_tiny = Uncertainty(), Uncertainty()
    for _ in range(10):
        with_huge.update_state(step(a=2.0, b=1e9))
        with_tiny.update_state(step(a=2.0, b=1e-9))
    assert with_huge.state_dict()["a"] == with_tiny.state_dict()["a"]


def test_a_new_task_starts_where_all_did() -> None:
    balancer = Uncertainty(initial_value=1.0)
    for _ in range(20):
        balancer.update_state(step(a=9.0))
    values = balancer.weigh(step(b=1.0)).values
    assert values.tolist() == pytest.approx([0.5 * torch.exp(torch.tensor(-1.0, dtype=torch.float64)).item()])
    assert "b" not in balancer.state_dict()


def test_asking_for_the_state_lends_nothing() -> None:
    """What is done to the dictionary is not done to the balancer."""
    balancer = Uncertainty()
    balancer.update_state(step(a=2.0))
    before = balancer.weigh(step(a=2.0)).values.clone()
    balancer.state_dict()["a"]["value"] = 100.0
    assert torch.equal(before, balancer.weigh(step(a=2.0)).values)


@pytest.mark.parametrize("start", [float("nan"), float("inf"), float("-inf")])
def test_a_start_that_cannot_be(start: float) -> None:
    with pytest.raises(ConfigError, match="uncertainty, initial_value"):
        Uncertainty(initial_value=start)
