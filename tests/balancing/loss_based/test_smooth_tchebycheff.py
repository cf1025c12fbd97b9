"""Smooth Tchebycheff scalarization: the derivative of its written loss, and its limits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import SmoothTchebycheff
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(**losses: float) -> MatrixStatistic:
    values = torch.tensor(list(losses.values()), dtype=torch.float64)
    return MatrixStatistic(torch.zeros(len(losses), 1), values, tuple(losses))


THREE = st.lists(st.floats(0.1, 10.0), min_size=3, max_size=3)


@given(THREE, THREE, THREE, st.floats(0.05, 5.0))
def test_the_weights_are_the_derivative_of_the_written_loss(
    losses: list[float], preference: list[float], reference: list[float], mu: float
) -> None:
    names = ("a", "b", "c")
    balancer = SmoothTchebycheff(mu, dict(zip(names, preference, strict=True)), dict(zip(names, reference, strict=True)))
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    shares = torch.tensor(preference, dtype=torch.float64) / sum(preference)
    (9 * mu * torch.logsumexp(shares * (values - torch.tensor(reference, dtype=torch.float64)) / mu, 0)).backward()
    assert torch.allclose(balancer.weigh(step(a=losses[0], b=losses[1], c=losses[2])).values, values.grad, rtol=1e-9, atol=1e-300)


def test_without_smoothing_only_the_worst_task_is_trained() -> None:
    assert SmoothTchebycheff(mu=1e-9).weigh(step(a=1.0, b=1.1)).values.tolist() == [0.0, 2.0]


def test_with_much_smoothing_it_is_the_weighted_sum() -> None:
    weights = SmoothTchebycheff(mu=1e9, preference={"a": 1.0, "b": 3.0}).weigh(step(a=5.0, b=0.1)).values
    assert weights.tolist() == pytest.approx([0.5, 1.5], rel=1e-8)


def test_it_reaches_the_middle_of_a_front_that_no_weighted_sum_reaches() -> None:
    """Losses 1 − exp(−(x ∓ 1)²): the front is not convex, and a weighted sum ends at x = ±1."""
    x = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    balancer = SmoothTchebycheff(mu=0.01)
    for _ in range(2_000):
        losses = torch.stack([1 - torch.exp(-((x - 1) ** 2)), 1 - torch.exp(-((x + 1) ** 2))]).squeeze()
        weights = balancer.weigh(step(a=losses[0].item(), b=losses[1].item())).values
        (slope,) = torch.autograd.grad((weights * losses).sum(), x)
        x.data -= 0.01 * slope
    assert x.item() == pytest.approx(0.0, abs=1e-3)


def test_preferences_are_shared_among_those_present() -> None:
    balancer = SmoothTchebycheff(preference={"a": 1.0, "b": 1.0, "c": 7.0})
    assert balancer.weigh(step(a=2.0, b=2.0)).values.tolist() == pytest.approx([1.0, 1.0])


def test_by_name_it_takes_the_tasks_own_weights() -> None:
    assert SmoothTchebycheff.defaults({"a": 2.0}) == {"preference": {"a": 2.0}}


def test_a_task_without_preference_is_named() -> None:
    with pytest.raises(ConfigError, match=r"task 'b'.*preferences for a"):
        SmoothTchebycheff(preference={"a": 1.0}).weigh(step(a=1.0, b=1.0))


@pytest.mark.parametrize(
    "options", [{"mu": 0.0}, {"mu": float("nan")}, {"preference": {"a": 0.0}}, {"reference": {"a": float("inf")}}], ids=str
)
def test_what_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="smooth-tchebycheff"):
        SmoothTchebycheff(**options)  # type: ignore[arg-type]
