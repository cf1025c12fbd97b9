"""Momentum ConFIG after a turn without a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.balancing import Direction, MomentumConFIG
from polytask.balancing.matrix_to_statistic import MatrixStatistic


def turns(balancer: MomentumConFIG, rows: list[list[float]], start: int = 0) -> Tensor:
    """Return the direction after turns with these gradients."""
    found = Direction(torch.empty(0))
    for turn, row in enumerate(rows, start):
        name = balancer.tasks[turn % len(balancer.tasks)]
        step = balancer.weigh(MatrixStatistic(torch.tensor([row]), torch.ones(1, dtype=torch.float64), (name,)))
        assert isinstance(step, Direction)
        found = step
    return found.values


def test_a_turn_without_a_gradient_does_not_shrink_the_steps_after_it() -> None:
    balancer = MomentumConFIG(["a"])
    torch.testing.assert_close(turns(balancer, [[1.0]] * 20), torch.ones(1))
    assert turns(balancer, [[0.0]]) == 0.0
    torch.testing.assert_close(turns(balancer, [[1.0]]), torch.ones(1))


def test_a_task_has_no_opinion_from_a_zero_to_its_next_turn() -> None:
    balancer = MomentumConFIG(["a", "b"], betas=(0.9, 0.0))
    turns(balancer, [[1.0, 0.0], [0.0, 1.0]] * 5)
    for row in ([0.0, 0.0], [0.0, 1.0]):
        silent = turns(balancer, [row], start=0 if row == [0.0, 0.0] else 1)
        assert silent[0] <= 0.0 < silent[1]
    copy = MomentumConFIG(["a", "b"], betas=(0.9, 0.0))
    copy.load_state_dict(balancer.state_dict())
    after = turns(balancer, [[1.0, 0.0]])
    assert torch.equal(after, turns(copy, [[1.0, 0.0]]))
    assert float(after.min()) > 0.0
    torch.testing.assert_close(balancer.state_dict()["means"]["a"], torch.tensor([1 - 0.9**6, 0.0]))


def test_a_first_turn_without_a_gradient_is_no_update() -> None:
    torch.testing.assert_close(turns(MomentumConFIG(["a"]), [[0.0], [2.0]]), torch.ones(1))
