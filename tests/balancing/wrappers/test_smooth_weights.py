"""CR-MOGM: the moving average of weights, written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask.balancing import Balancer, Equal, GroupWeights, Nothing, Weights
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import PerGroup, SmoothWeights
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state

Make = Callable[..., Balancer]
Step = Callable[..., MatrixStatistic]


def taken(balancer: Balancer, statistic: MatrixStatistic) -> Any:
    answer = balancer.weigh(statistic)
    balancer.update_state(statistic)
    return answer


@pytest.mark.parametrize("a", [0.0, 0.5, 0.99])
def test_it_is_the_moving_average_of_what_the_balancer_inside_says(a: float, inverse: Make, step: Step) -> None:
    smoothed, plain = SmoothWeights(inverse(), a), inverse()
    average = taken(plain, step(0)).values
    assert torch.equal(taken(smoothed, step(0)).values, average)
    for seed in range(1, 8):
        average = a * average + (1 - a) * taken(plain, step(seed)).values
        assert torch.allclose(taken(smoothed, step(seed)).values, average, rtol=1e-13)


def test_a_task_pauses_while_it_is_absent_and_a_new_one_starts_with_its_own(inverse: Make, step: Step) -> None:
    smoothed, plain = SmoothWeights(inverse(), 0.5), inverse()
    first = taken(smoothed, step(0)).values
    taken(smoothed, step(1, ("a", "c")))
    said = plain.weigh(step(2, ("b", "new"))).values
    now = taken(smoothed, step(2, ("b", "new"))).values
    assert now.tolist() == pytest.approx([0.5 * first[1].item() + 0.5 * said[0].item(), said[1].item()])


def test_asking_twice_in_a_step_averages_once(inverse: Make, step: Step) -> None:
    once, twice = SmoothWeights(inverse()), SmoothWeights(inverse())
    for seed in range(3):
        twice.weigh(step(seed))
        assert torch.equal(taken(twice, step(seed)).values, taken(once, step(seed)).values)


def test_a_step_that_was_not_taken_leaves_no_trace(inverse: Make, step: Step) -> None:
    """`update_state` is not called in steps that are skipped."""
    smoothed = SmoothWeights(inverse())
    taken(smoothed, step(0))
    smoothed.weigh(step(1))
    other = SmoothWeights(inverse())
    taken(other, step(0))
    assert torch.equal(smoothed.weigh(step(2)).values, other.weigh(step(2)).values)


def test_where_there_is_no_solution_nothing_is_averaged(inverse: Make, step: Step) -> None:
    smoothed = SmoothWeights(inverse())
    taken(smoothed, step(0))
    before = smoothed.state_dict()["weights"]
    stuck = MatrixStatistic(torch.zeros(3, 5, dtype=torch.float64), torch.ones(3), ("a", "b", "c"))
    assert not taken(smoothed, stuck).solved
    assert smoothed.state_dict()["weights"] == before


def test_weights_per_group_are_averaged_in_every_group(inverse: Make, step: Step) -> None:
    smoothed, plain = SmoothWeights(PerGroup(inverse()), 0.5), PerGroup(inverse())
    first, second = taken(plain, step(0)).values, taken(plain, step(1)).values
    taken(smoothed, step(0))
    answer = taken(smoothed, step(1))
    assert isinstance(answer, GroupWeights)
    assert torch.allclose(answer.values, (first + second) / 2, rtol=1e-13)


@pytest.mark.parametrize("heads", [True, False])
def test_heads_and_needs_are_those_of_the_balancer_inside(heads: bool, inverse: Make, step: Step) -> None:
    inside = inverse(heads=heads)
    smoothed = SmoothWeights(inside)
    answer = smoothed.weigh(step(0))
    assert isinstance(answer, Weights)
    assert answer.heads is heads
    assert smoothed.needs() == inside.needs()
    assert isinstance(SmoothWeights(Equal()).needs(), Nothing)


def test_it_goes_on_from_the_disk_bit_for_bit(inverse: Make, step: Step, tmp_path: Path) -> None:
    whole = SmoothWeights(inverse())
    for seed in range(3):
        taken(whole, step(seed))
    save_state(tmp_path / "state", whole.state_dict())
    other = SmoothWeights(inverse())
    other.load_state_dict(load_state(tmp_path / "state"))
    for seed in range(3, 6):
        assert torch.equal(taken(whole, step(seed)).values, taken(other, step(seed)).values)
    assert other.balancer.state_dict() == whole.balancer.state_dict()


def test_what_it_gave_away_may_be_changed(inverse: Make, step: Step) -> None:
    smoothed = SmoothWeights(inverse())
    taken(smoothed, step(0))
    kept = {task: value.clone() for task, value in smoothed.state_dict()["weights"].items()}
    for value in smoothed.state_dict()["weights"].values():
        value.zero_()
    assert smoothed.state_dict()["weights"] == kept


def test_a_direction_is_refused(unit: Make, step: Step) -> None:
    with pytest.raises(ConfigError, match="smooth-weights: this wrapper needs a balancer that returns weights"):
        SmoothWeights(unit()).weigh(step(0))


@pytest.mark.parametrize("a", [-0.1, 1.0, float("nan")])
def test_a_share_that_cannot_be(a: float) -> None:
    with pytest.raises(ConfigError, match="smooth-weights, decay"):
        SmoothWeights(Equal(), a)
