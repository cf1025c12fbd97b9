"""Weights within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing import Balancer, Equal, Fixed, GroupWeights, Statistic, Weights, statistic_from_jacobian
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import ClipWeights, PerGroup
from polytask.errors import ConfigError


class Given(Balancer):
    """Weights that are given."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    needs = Equal.needs

    def weigh(self, statistic: Statistic) -> Weights:
        return Weights(torch.tensor(self.values, dtype=torch.float64), heads=False)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), st.floats(-5, 5), st.floats(0, 5))
def test_every_weight_is_cut_for_itself(values: list[float], low: float, width: float) -> None:
    answer = ClipWeights(Given(values), low, low + width).weigh(statistic_from_jacobian(torch.zeros(len(values), 1)))
    assert isinstance(answer, Weights)
    assert answer.values.tolist() == [min(max(value, low), low + width) for value in values]
    assert not answer.heads


def test_by_default_only_negative_weights_are_cut() -> None:
    answer = ClipWeights(Given([-3.0, 0.0, 1e12])).weigh(statistic_from_jacobian(torch.zeros(3, 1)))
    assert isinstance(answer, Weights)
    assert answer.values.tolist() == [0.0, 0.0, 1e12]


def test_weights_per_group_are_cut_too(inverse: Callable[[], Balancer], step: Callable[..., MatrixStatistic]) -> None:
    answer = ClipWeights(PerGroup(inverse()), 0.4, 0.6).weigh(step(0))
    assert isinstance(answer, GroupWeights)
    assert answer.values.shape == (2, 3)
    assert 0.4 <= answer.values.min() <= answer.values.max() <= 0.6


def test_where_there_is_no_solution_weights_stay_0(inverse: Callable[[], Balancer]) -> None:
    answer = ClipWeights(inverse(), 0.5, 2.0).weigh(statistic_from_jacobian(torch.zeros(2, 3)))
    assert isinstance(answer, Weights)
    assert not answer.solved
    assert torch.isinf(answer.values).all()  # as the balancer inside said


def test_the_state_is_that_of_the_balancer_inside() -> None:
    balancer = ClipWeights(Fixed({"0": 1.0}))
    assert balancer.state_dict() == {"balancer": {}}
    balancer.load_state_dict({"balancer": {}})


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (float("nan"), 1.0), (float("inf"), float("inf"))])
def test_bounds_that_cannot_be(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match="clip-weights"):
        ClipWeights(Equal(), low, high)


def test_a_direction_is_refused(unit: Callable[[], Balancer], step: Callable[..., MatrixStatistic]) -> None:
    with pytest.raises(ConfigError, match="clip-weights: this wrapper"):
        ClipWeights(unit()).weigh(step(0))
