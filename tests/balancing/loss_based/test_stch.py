"""STCH: the derivative of its written loss in both phases, and when the second begins."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import STCH
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(**losses: float) -> MatrixStatistic:
    values = torch.tensor(list(losses.values()), dtype=torch.float64)
    return MatrixStatistic(torch.zeros(len(losses), 1), values, tuple(losses))


def named(*losses: float) -> dict[str, float]:
    return {f"t{number}": loss for number, loss in enumerate(losses)}


LOSSES = st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3)


@given(LOSSES, LOSSES, st.floats(0.1, 5.0))
def test_after_the_warm_up_the_weights_are_the_derivative_of_the_written_loss(losses: list[float], nadir: list[float], mu: float) -> None:
    balancer = STCH(mu=mu, window=1, warm_up=1)
    balancer.update_state(step(**named(*nadir)))
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    f = torch.log(values / torch.tensor(nadir, dtype=torch.float64))
    (3 * mu * torch.logsumexp(f / mu, 0)).backward()
    assert torch.allclose(balancer.weigh(step(**named(*losses))).values, values.grad, rtol=1e-9)


def test_the_nadir_is_the_mean_of_the_last_window_of_the_warm_up() -> None:
    balancer = STCH(window=2, warm_up=3)
    for loss in (90.0, 90.0, 50.0, 50.0, 3.0, 5.0):
        seen = step(a=loss, b=1.0)
        assert balancer.weigh(seen).values.tolist() == [1 / loss, 1.0]  # the sum of logarithms
        balancer.update_state(seen)
    # f_a = log(8 / 4), f_b = 0: shares 2/3 and 1/3
    assert balancer.weigh(step(a=8.0, b=1.0)).values.tolist() == pytest.approx([2 * (2 / 3) / 8, 2 * (1 / 3)])
    state = balancer.state_dict()
    balancer.update_state(step(a=1.0, b=7.0))
    assert balancer.state_dict() == state  # the nadir stays


def test_the_two_phases_meet_where_all_losses_are_at_their_nadirs() -> None:
    balancer = STCH(window=1, warm_up=1)
    seen = step(a=0.2, b=5.0, c=1.0)
    before = balancer.weigh(seen).values
    balancer.update_state(seen)
    assert torch.allclose(balancer.weigh(seen).values, before, rtol=1e-12)


def test_a_task_that_comes_late_warms_up_for_itself() -> None:
    balancer = STCH(window=1, warm_up=1)
    balancer.update_state(step(a=1.0, b=2.0))
    alone = balancer.weigh(step(a=0.5, b=4.0)).values
    with_new = balancer.weigh(step(a=0.5, new=0.1, b=4.0)).values
    assert with_new[[0, 2]].tolist() == alone.tolist()
    assert with_new[1] == 10.0


@pytest.mark.parametrize("mu", [0.5, 1.0, 3.0])
def test_a_loss_of_0_has_no_weight_and_the_others_share(mu: float) -> None:
    balancer = STCH(mu=mu, window=1, warm_up=1)
    balancer.update_state(step(a=1.0, b=1.0))
    assert balancer.weigh(step(a=0.0, b=0.5)).values.tolist() == [0.0, 2 / 0.5]
    assert balancer.weigh(step(a=0.0, b=0.0)).values.tolist() == [0.0, 0.0]


def test_a_warm_up_of_zeros_goes_on() -> None:
    balancer = STCH(window=1, warm_up=1)
    for loss in (0.0, 4.0):
        assert balancer.weigh(step(a=0.25)).values.item() == 4.0
        balancer.update_state(step(a=loss))
    assert balancer.weigh(step(a=2.0, b=1.0)).values.tolist() == [0.5, 1.0]


@given(st.floats(1e-9, 1e9))
def test_the_units_of_a_task_do_not_matter(unit: float) -> None:
    plain, other = STCH(mu=0.3, window=1, warm_up=1), STCH(mu=0.3, window=1, warm_up=1)
    plain.update_state(step(a=2.0, b=3.0))
    other.update_state(step(a=2.0 * unit, b=3.0))
    forth = plain.weigh(step(a=1.0, b=2.5)).values
    assert torch.allclose(other.weigh(step(a=unit, b=2.5)).values * torch.tensor([unit, 1.0], dtype=torch.float64), forth, rtol=1e-9)


@pytest.mark.parametrize(("name", "value"), [("mu", 0.0), ("window", 0), ("warm_up", 0)])
def test_what_cannot_be(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"stch, {name}"):
        STCH(**{name: value})  # type: ignore[arg-type]


def test_a_negative_loss_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="stch, task 'b'"):
        STCH().weigh(step(a=1.0, b=-1.0))
