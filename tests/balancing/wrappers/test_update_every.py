"""Weights every k steps: when the balancer inside is asked, and what stands in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask.balancing import Balancer, Equal, Gramian, GroupWeights, Nothing
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.balancing.wrappers import PerGroup, SmoothWeights, UpdateEvery
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state

Make = Callable[..., Any]
Step = Callable[..., MatrixStatistic]


def taken(balancer: Balancer, statistic: MatrixStatistic) -> Any:
    answer = balancer.weigh(statistic)
    balancer.update_state(statistic)
    return answer


@pytest.mark.parametrize("every", [1, 2, 5])
def test_it_asks_every_k_steps_and_needs_nothing_in_between(every: int, inverse: Make, step: Step) -> None:
    inside = inverse()
    balancer = UpdateEvery(inside, every)
    last = None
    for number in range(12):
        due = number % every == 0
        assert isinstance(balancer.needs(), Gramian if due else Nothing)
        answer = taken(balancer, step(number))
        last = inverse().weigh(step(number)).values if due else last
        assert torch.equal(answer.values, last)
    assert inside.asked == -(-12 // every)


def test_the_balancer_inside_learns_at_every_step(inverse: Make, step: Step) -> None:
    inside, plain = inverse(), inverse()
    balancer = UpdateEvery(inside, 3)
    for number in range(7):
        taken(balancer, step(number))
        taken(plain, step(number))
    assert inside.learned == plain.learned


def test_in_between_asking_again_changes_nothing(inverse: Make, step: Step) -> None:
    balancer = UpdateEvery(inverse(), 4)
    taken(balancer, step(0))
    before = balancer.state_dict()
    for _ in range(10):
        balancer.weigh(step(1))
    assert str(balancer.state_dict()) == str(before)
    assert isinstance(balancer.needs(), Nothing)


def test_other_tasks_make_the_next_step_refresh(inverse: Make, step: Step) -> None:
    balancer = UpdateEvery(inverse(), 100)
    first = dict(zip("abc", taken(balancer, step(0)).values.tolist(), strict=True))
    fewer = taken(balancer, step(1, ("a", "c")))
    assert fewer.values.tolist() == [first["a"], first["c"]]
    assert isinstance(balancer.needs(), Gramian)
    two = taken(balancer, step(2, ("a", "c"))).values
    assert torch.equal(two, inverse().weigh(step(2, ("a", "c"))).values)
    assert isinstance(balancer.needs(), Nothing)
    more = taken(balancer, step(3, ("a", "b", "c"))).values
    assert more.tolist() == pytest.approx([two[0].item(), two.mean().item(), two[1].item()])
    assert isinstance(balancer.needs(), Gramian)


def test_a_step_that_was_not_taken_is_asked_again(inverse: Make, step: Step) -> None:
    balancer = UpdateEvery(inverse(), 3)
    balancer.weigh(step(0))  # no `update_state`: the step was skipped
    assert isinstance(balancer.needs(), Gramian)
    assert torch.equal(taken(balancer, step(1)).values, inverse().weigh(step(1)).values)


def test_weights_without_solution_are_not_kept(inverse: Make, step: Step) -> None:
    balancer = UpdateEvery(inverse(), 3)
    stuck = MatrixStatistic(torch.zeros(3, 5, dtype=torch.float64), torch.ones(3), ("a", "b", "c"))
    assert not taken(balancer, stuck).solved
    assert isinstance(balancer.needs(), Gramian)


@pytest.mark.parametrize("heads", [True, False])
def test_heads_stay_as_they_were(heads: bool, inverse: Make, step: Step) -> None:
    balancer = UpdateEvery(inverse(heads=heads), 3)
    assert [taken(balancer, step(number)).heads for number in range(3)] == [heads] * 3


def test_weights_per_group_need_gradients_but_no_answer_in_between(inverse: Make, step: Step) -> None:
    inside = PerGroup(inverse())
    balancer = UpdateEvery(inside, 3)
    first = taken(balancer, step(0))
    assert balancer.needs() == Gramian("layer")
    second = taken(balancer, step(1))
    assert isinstance(second, GroupWeights)
    assert torch.equal(second.values, first.values)


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_it_goes_on_from_the_disk_bit_for_bit(stop: int, inverse: Make, step: Step, tmp_path: Path) -> None:
    whole = UpdateEvery(SmoothWeights(inverse()), 3)
    for number in range(stop):
        taken(whole, step(number))
    save_state(tmp_path / "state", whole.state_dict())
    other = UpdateEvery(SmoothWeights(inverse()), 3)
    other.load_state_dict(load_state(tmp_path / "state"))
    for number in range(stop, 9):
        assert other.needs() == whole.needs()
        assert torch.equal(taken(whole, step(number)).values, taken(other, step(number)).values)


def test_before_its_first_step_it_survives_the_disk_too(inverse: Make, step: Step, tmp_path: Path) -> None:
    save_state(tmp_path / "state", UpdateEvery(inverse()).state_dict())
    other = UpdateEvery(inverse())
    other.load_state_dict(load_state(tmp_path / "state"))
    assert isinstance(other.needs(), Gramian)
    taken(other, step(0))


def test_a_direction_is_refused(unit: Make, step: Step) -> None:
    with pytest.raises(ConfigError, match="update-every: this wrapper"):
        UpdateEvery(unit()).weigh(step(0))


def test_less_than_every_step_cannot_be() -> None:
    with pytest.raises(ConfigError, match="update-every, steps"):
        UpdateEvery(Equal(), 0)
