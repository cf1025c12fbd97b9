"""What every balancer promises from step to step: its state, and tasks that come and go."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask.balancing import Nothing
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state

pytestmark = pytest.mark.sampled(6, sweep=2)

TASKS = ("t0", "t1", "t2")
COMING_AND_GOING = (TASKS, ("t0", "t2"), TASKS, ("t1",), ("t2", "t0"), TASKS, TASKS)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def of_task(state: Any, task: str) -> list[Any]:
    """Everything that is filed under the task's name."""
    if not isinstance(state, dict):
        return []
    return [value for key, value in state.items() if key == task] + [found for value in state.values() for found in of_task(value, task)]


def test_it_goes_on_from_the_disk_bit_for_bit_at_every_step(row: Any, steps: Any, asked: Any, tmp_path: Path) -> None:
    whole, other = row.make(TASKS), row.make(TASKS)
    for number, tasks in enumerate(COMING_AND_GOING):
        save_state(tmp_path / str(number), {"balancer": other.state_dict()})
        other = row.make(TASKS)
        other.load_state_dict(load_state(tmp_path / str(number))["balancer"])
        assert torch.equal(asked(whole, steps(number, tasks))[1], asked(other, steps(number, tasks))[1]), number
        assert same(whole.state_dict(), other.state_dict())


def test_a_state_is_a_copy(row: Any, steps: Any, asked: Any) -> None:
    balancer = row.make(TASKS)
    asked(balancer, steps(0))
    state = balancer.state_dict()
    kept = deepcopy(state)
    asked(balancer, steps(1))
    assert same(state, kept)
    other = row.make(TASKS)
    other.load_state_dict(state)
    asked(other, steps(1))
    assert same(state, kept)


def test_absent_tasks_are_left_as_they_were(row: Any, steps: Any, asked: Any) -> None:
    balancer = row.make(TASKS)
    for number in range(3):
        asked(balancer, steps(number))
    before = deepcopy(of_task(balancer.state_dict(), "t1"))
    for number in range(3, 8):
        asked(balancer, steps(number, ("t0", "t2")))
    after = of_task(balancer.state_dict(), "t1")
    if after:  # forgetting a task is not changing it
        assert len(before) == len(after)
        assert all(same(first, second) for first, second in zip(before, after, strict=True))


def test_tasks_may_come_and_go(row: Any, steps: Any, asked: Any) -> None:
    balancer = row.make(TASKS)
    for number, tasks in enumerate(COMING_AND_GOING):
        direction = asked(balancer, steps(number, tasks))[1]
        assert bool(torch.isfinite(direction).all()), (number, tasks)


@pytest.mark.parametrize("scales", [(1e-12, 1e12), (1e12, 1e-12)])
def test_leaps_over_24_orders_of_magnitude_leave_it_finite(row: Any, steps: Any, asked: Any, scales: tuple[float, float]) -> None:
    balancer = row.make(TASKS)
    for number in range(40):
        direction = asked(balancer, steps(number, scale=scales[number % 2]))[1]
        assert bool(torch.isfinite(direction).all()), number


def test_nothing_that_it_keeps_has_a_graph(row: Any, steps: Any, asked: Any) -> None:
    def leaves(state: Any) -> list[Any]:
        return [leaf for value in state.values() for leaf in leaves(value)] if isinstance(state, dict) else [state]

    balancer = row.make(TASKS)
    direction = asked(balancer, steps(0))[1]
    assert not direction.requires_grad
    assert not any(isinstance(leaf, torch.Tensor) and leaf.requires_grad for leaf in leaves(balancer.state_dict()))


def test_weighing_teaches_nothing_when_nothing_is_needed(row: Any, steps: Any, asked: Any) -> None:
    balancer = row.make(TASKS)
    asked(balancer, steps(0))
    if isinstance(balancer.needs(), Nothing) and not row.random:
        before = deepcopy(balancer.state_dict())
        balancer.weigh(steps(1))
        assert same(before, balancer.state_dict())


def test_the_state_of_another_kind_is_no_crash_without_words(row: Any, steps: Any, asked: Any) -> None:
    balancer = row.make(TASKS)
    asked(balancer, steps(0))
    if balancer.state_dict():
        with pytest.raises((ConfigError, KeyError, TypeError, AttributeError)):
            row.make(TASKS).load_state_dict({"another": {"kind": 1}})
