"""The geometric loss strategy: the derivative of its written loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import GLS, statistic_from_jacobian
from polytask.errors import ConfigError


def weights(*losses: float) -> torch.Tensor:
    return GLS().weigh(statistic_from_jacobian(torch.zeros(len(losses), 1), torch.tensor(losses, dtype=torch.float64))).values


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6))
def test_the_weights_are_the_derivative_of_the_geometric_mean(losses: list[float]) -> None:
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    values.prod().pow(1 / len(losses)).backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(weights(*losses), values.grad, rtol=1e-10)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=5), st.floats(1e-6, 1e6))
def test_a_tasks_unit_scales_the_whole_update_and_leaves_its_direction(losses: list[float], unit: float) -> None:
    """With L_1 → c L_1 and g_1 → c g_1, every w_t g_t is multiplied by c^(1/T)."""
    changed = weights(unit * losses[0], *losses[1:]) * torch.tensor([unit, *[1.0] * (len(losses) - 1)], dtype=torch.float64)
    assert torch.allclose(changed, weights(*losses) * unit ** (1 / len(losses)), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e-200, 1e200])
def test_a_hundred_tasks_of_any_size_neither_underflow_nor_overflow(scale: float) -> None:
    assert torch.allclose(weights(*[scale] * 100), torch.full((100,), 0.01, dtype=torch.float64))


def test_a_task_with_a_loss_of_0_is_left_out() -> None:
    """Its gradient is 0, and the mean of all would be 0 for good: the others would never learn."""
    answer = GLS().weigh(statistic_from_jacobian(torch.eye(3), torch.tensor([0.0, 1.0, 4.0])))
    others = GLS().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([1.0, 4.0])))
    assert answer.values.tolist() == [0.0, *others.values.tolist()]


def test_a_negative_loss_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"gls, task '1'.*found -0\.5"):
        weights(1.0, -0.5)
