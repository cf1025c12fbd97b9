"""What every balancer with a state promises inside wrappers that do not ask it at every step, or that show it a part of the step."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from polytask.balancing import Balancer, Gramian, GroupWeights, Jacobian, MatrixStatistic, Norms, Nothing, Weights
from polytask.balancing.wrappers import PerGroup, UpdateEvery

TASKS = ("t0", "t1", "t2")


@dataclass(frozen=True)
class LossesOnly:
    """What a step offers to a balancer that needs nothing."""

    names: tuple[str, ...]
    step: int
    losses: Tensor
    round_off: float


def learning(row: Any) -> Balancer:
    """The balancer of a row, if it updates a state at the end of a step."""
    balancer = row.make(TASKS)
    if type(balancer).update_state is Balancer.update_state or not row.weighed:
        pytest.skip("no state of a step, or no weights")
    return balancer


def test_between_two_updates_losses_are_enough(balancer_row: Any, steps: Any) -> None:
    balancer = UpdateEvery(learning(balancer_row), steps=2)
    for number in range(4):
        whole = steps(number)
        asked = not isinstance(balancer.needs(), Nothing)
        seen = whole if asked else LossesOnly(whole.names, whole.step, whole.losses, whole.round_off)
        answer = balancer.weigh(seen)
        balancer.update_state(seen)
        assert isinstance(answer, Weights)
        assert bool(torch.isfinite(answer.values).all())


def test_a_copy_learns_from_its_group(row: Any, steps: Any) -> None:
    alone = learning(row)
    needs = alone.needs()
    if row.random or not (isinstance(needs, Gramian | Jacobian) or needs == Norms("shared")):
        pytest.skip("drawn, or nothing that has groups")
    grouped, own = PerGroup(deepcopy(alone), "matrix"), (deepcopy(alone), deepcopy(alone))
    for number in range(3):
        whole = steps(number)
        assert grouped.needs() == (Jacobian(None, "matrix") if isinstance(needs, Jacobian) else Gramian("matrix"))
        answer = grouped.weigh(whole)
        assert isinstance(answer, GroupWeights)
        for balancer, (columns,), weights in zip(own, whole.columns, answer.values, strict=True):
            part = MatrixStatistic(whole.matrix[:, columns], whole.losses, whole.names, number)
            assert torch.allclose(balancer.weigh(part).values, weights, rtol=1e-9), number
            balancer.update_state(part)
        grouped.update_state(whole)
