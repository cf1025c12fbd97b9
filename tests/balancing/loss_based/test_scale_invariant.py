"""The sum of logarithms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import GLS, ScaleInvariant, statistic_from_jacobian
from polytask.errors import ConfigError


def weights(*losses: float) -> torch.Tensor:
    return ScaleInvariant().weigh(statistic_from_jacobian(torch.zeros(len(losses), 1), torch.tensor(losses, dtype=torch.float64))).values


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=5))
def test_the_weights_are_the_derivative_of_the_sum_of_logarithms(losses: list[float]) -> None:
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    values.log().sum().backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(weights(*losses), values.grad, rtol=1e-14)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5))
def test_its_direction_is_that_of_the_geometric_mean(losses: list[float]) -> None:
    step = statistic_from_jacobian(torch.zeros(len(losses), 1), torch.tensor(losses, dtype=torch.float64))
    ratio = GLS().weigh(step).values / weights(*losses)
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-10)


def test_multiplying_a_loss_changes_nothing() -> None:
    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(3, 4, generator=random, dtype=torch.float64)
    losses, units = torch.tensor([0.3, 2.0, 7.0], dtype=torch.float64), torch.tensor([1e-9, 1e3, 1e12], dtype=torch.float64)
    plain = ScaleInvariant().aggregate(matrix, losses)
    assert torch.allclose(ScaleInvariant().aggregate(units[:, None] * matrix, units * losses), plain, rtol=1e-12)


def test_a_loss_of_0_has_no_weight_and_does_not_touch_the_others() -> None:
    assert weights(0.0, 2.0).tolist() == [0.0, 0.5]


def test_a_negative_loss_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="scale-invariant, task '0'"):
        weights(-1.0)
