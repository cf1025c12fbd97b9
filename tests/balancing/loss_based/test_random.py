"""Random weights: their distribution, and when a new draw is made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from polytask.balancing import Random
from polytask.balancing.loss_based.random import WeightDistribution
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError

NAMES = ("c", "a", "b")


def step(names: tuple[str, ...] = NAMES) -> MatrixStatistic:
    return MatrixStatistic(torch.zeros(len(names), 1), torch.ones(len(names), dtype=torch.float64), names)


def draws(distribution: WeightDistribution, count: int = 4_000) -> np.ndarray:
    """(count, 3) the weights of that many steps."""
    balancer = Random(distribution)
    balancer.seed(7)
    weights = []
    for _ in range(count):
        weights.append(balancer.weigh(step()).values.numpy())
        balancer.update_state(step())
    return np.array(weights)


@pytest.mark.parametrize("distribution", ["normal", "dirichlet"])
def test_weights_are_positive_sum_to_the_number_of_tasks_and_average_1(distribution: WeightDistribution) -> None:
    weights = draws(distribution)
    assert (weights > 0).all()
    assert weights.sum(axis=1) == pytest.approx(3.0, rel=1e-12)
    assert weights.mean(axis=0) == pytest.approx([1.0, 1.0, 1.0], abs=0.05)  # about three standard errors


def test_the_logarithm_of_a_ratio_of_two_softmax_weights_is_normal_with_variance_2() -> None:
    weights = draws("normal")
    assert kstest(np.log(weights[:, 0] / weights[:, 1]), norm(scale=2**0.5).cdf).pvalue > 0.01


def test_a_share_of_three_under_dirichlet_is_beta_1_2() -> None:
    shares = draws("dirichlet")[:, 1] / 3
    assert kstest(shares, lambda x: 1 - (1 - x) ** 2).pvalue > 0.01


@pytest.mark.parametrize("distribution", ["normal", "dirichlet"])
def test_draws_of_different_steps_are_independent(distribution: WeightDistribution) -> None:
    first = draws(distribution)[:, 0]
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05


def test_within_a_step_the_draw_stays_and_the_next_step_has_another() -> None:
    balancer = Random()
    first = balancer.weigh(step()).values
    assert torch.equal(balancer.weigh(step()).values, first)
    balancer.update_state(step())
    assert not torch.equal(balancer.weigh(step()).values, first)


def test_a_draw_belongs_to_the_name_of_its_task() -> None:
    forth = dict(zip(NAMES, Random().weigh(step()).values.tolist(), strict=True))
    back = dict(zip(NAMES[::-1], Random().weigh(step(NAMES[::-1])).values.tolist(), strict=True))
    assert forth == back


def test_the_seed_decides() -> None:
    one, other, again = Random(), Random(), Random()
    one.seed(1)
    other.seed(2)
    again.seed(1)
    assert torch.equal(one.weigh(step()).values, again.weigh(step()).values)
    assert not torch.equal(one.weigh(step()).values, other.weigh(step()).values)


def test_pytorchs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    balancer = Random()
    balancer.weigh(step())
    balancer.update_state(step())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_distribution_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"found uniform\)\. Choose from: normal, dirichlet"):
        Random("uniform")  # type: ignore[arg-type]
