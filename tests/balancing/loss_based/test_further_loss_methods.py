"""UW-SO, IGB, GO4Align, GroupDRO, COSMOS and PBI: formulas by hand, reductions, and losses that they cannot take."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from polytask.balancing import COSMOS, IGB, PBI, UWSO, Balancer, GO4Align, GroupDRO, ScaleInvariant
from polytask.balancing.factory import balancer_named
from polytask.balancing.matrix_to_statistic import MatrixStatistic, statistic_from_jacobian
from polytask.balancing.solvers import group_means
from polytask.errors import ConfigError

LOSSES = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)


def step(losses: torch.Tensor = LOSSES) -> MatrixStatistic:
    return statistic_from_jacobian(torch.eye(len(losses), dtype=torch.float64), losses)


def slopes(f: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    values = LOSSES.clone().requires_grad_()
    return torch.autograd.grad(f(values), values)[0]


def test_uw_so_is_a_softmax_of_inverse_losses() -> None:
    assert torch.allclose(UWSO(temperature=2.0).weigh(step()).values, 3 * torch.softmax(1 / LOSSES / 2, 0), rtol=1e-12)
    assert torch.allclose(UWSO(temperature=1e9).weigh(step()).values, torch.ones(3, dtype=torch.float64), rtol=1e-8)


def test_igb_starts_as_the_sum_of_logarithms_and_then_weights_by_what_has_not_fallen() -> None:
    balancer = IGB(window=2)
    assert torch.allclose(balancer.weigh(step()).values, ScaleInvariant().weigh(step()).values)
    for factor in (0.5, 1.5):
        balancer.update_state(step(LOSSES * factor))
    now = LOSSES * torch.tensor([0.1, 0.2, 1.0])
    expected = 3 * torch.softmax(torch.tensor([0.1, 0.2, 1.0], dtype=torch.float64), 0) / now
    assert torch.allclose(balancer.weigh(step(now)).values, expected, rtol=1e-6)
    balancer.update_state(step(100 * LOSSES))
    assert torch.allclose(balancer.weigh(step(now)).values, expected, rtol=1e-6), "the base is that of the first window"


def test_groupdro_multiplies_by_exponentials_and_forgets_nothing() -> None:
    balancer = GroupDRO(lr=0.1)
    for steps in (1, 2, 3):
        assert torch.allclose(balancer.weigh(step()).values, 3 * torch.softmax(0.1 * steps * LOSSES, 0), rtol=1e-12)
    negative = GroupDRO(lr=0.1).weigh(step(LOSSES - 10)).values
    assert torch.allclose(negative, GroupDRO(lr=0.1).weigh(step()).values, rtol=1e-12)


def test_go4align_with_a_group_per_task_is_its_formula() -> None:
    balancer = GO4Align(groups=3, lr=0.1)
    for steps in (1, 2):
        shares = torch.softmax(-0.1 * steps * LOSSES, 0)
        assert torch.allclose(balancer.weigh(step()).values, shares * LOSSES.sum() / LOSSES, rtol=1e-12)
    one = GO4Align(groups=1).weigh(step()).values
    assert torch.allclose(one, one.mean().expand(3), rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_groups_on_a_line_are_the_best_of_all(groups: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=6)

    def spread(labels: tuple[int, ...]) -> float:
        found = np.array(labels)
        return sum(float(np.square(values[found == k] - values[found == k].mean()).sum()) for k in set(labels))

    best = min(spread(labels) for labels in product(range(groups), repeat=6))
    means = group_means(values, groups)
    assert len(set(means.tolist())) == groups
    assert float(np.square(values - means).sum()) == pytest.approx(best, abs=1e-12)
    assert group_means(values * 1e200, groups) == pytest.approx(means * 1e200)


def test_cosmos_is_the_slope_of_its_loss() -> None:
    r = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    preference = {str(task): float(value) for task, value in enumerate(r)}
    expected = slopes(lambda L: r @ L - 0.7 * torch.cosine_similarity(r, L, dim=0))
    assert torch.allclose(COSMOS(0.7, preference).weigh(step()).values, expected, rtol=1e-10)
    assert torch.equal(COSMOS(0.0, preference).weigh(step()).values, r)
    assert torch.allclose(COSMOS(9.0, preference).weigh(step(3 * r)).values, r, rtol=1e-12), "on the ray"
    assert torch.equal(COSMOS(9.0, preference).weigh(step(0 * r)).values, r)


def test_pbi_is_the_slope_of_its_loss() -> None:
    p, z = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), torch.tensor([0.1, 0.0, -0.2], dtype=torch.float64)
    u = p / p.norm()

    def loss(L: torch.Tensor) -> torch.Tensor:
        e = L - z
        return 3**0.5 * (e @ u + 2.0 * (e - (e @ u) * u).norm())

    balancer = PBI(2.0, {str(task): float(value) for task, value in enumerate(p)}, {"0": 0.1, "2": -0.2})
    assert torch.allclose(balancer.weigh(step()).values, slopes(loss), rtol=1e-10)
    assert torch.allclose(PBI().weigh(step(torch.ones(3) / 3)).values, torch.ones(3, dtype=torch.float64), rtol=1e-12), "on the ray"


@pytest.mark.parametrize("name", ["uw-so", "igb", "go4align", "log:equal"])
def test_a_negative_loss_is_one_line_and_a_loss_of_zero_is_a_solved_task(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name.partition(':')[0]}, task '1': this balancer needs non-negative losses") as caught:
        balancer_named(name).weigh(step(torch.tensor([1.0, -2.0])))
    assert "\n" not in str(caught.value)
    weights: Any = balancer_named(name).weigh(step(torch.tensor([0.5, 0.0, 1e-300], dtype=torch.float64)))
    assert weights.values[1:].tolist() == [0.0, 0.0]
    assert float(weights.values[0]) > 0


EVERY: tuple[Callable[[], Balancer], ...] = (UWSO, lambda: IGB(window=1), GO4Align, GroupDRO, COSMOS, PBI)


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("tiny", [1e-29, 1e-31, 1e-45, 1e-300])
def test_no_weight_leaves_the_range_of_float32(make: Callable[[], Balancer], tiny: float) -> None:
    balancer = make()
    for losses in ([1.0, 1e8, 3.0], [tiny, 1e8, tiny], [1e8, tiny, 2 * tiny]):
        seen = step(torch.tensor(losses, dtype=torch.float64))
        weights: Any = balancer.weigh(seen)
        balancer.update_state(seen)
        assert bool(torch.isfinite(weights.values.float() * seen.losses.float()).all())
        assert float(weights.values.abs().max()) <= 1e31
