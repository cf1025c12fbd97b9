"""Every balancer in a network: what it answers there is what it answers to the same gradients as a matrix, by every route."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import CrossGramian, Lookahead, MatrixStatistic, Representations
from polytask.gradients import Backward

TASKS = ("t0", "t1", "t2")

pytestmark = pytest.mark.sampled(2, drawn=True)


class Network(nn.Module):
    """A trunk of two layers, and a head per task, all in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh()).double()
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1).double() for task in TASKS})

    def losses(self, batch: int) -> tuple[dict[str, Tensor], Tensor]:
        """The tasks' mean squared errors of a batch, and what heads looked at."""
        generator = torch.Generator().manual_seed(batch)
        rows = torch.randn(9, 4, generator=generator, dtype=torch.float64)
        targets = torch.randn(3, 9, generator=generator, dtype=torch.float64)
        z = self.trunk(rows)
        return {task: (self.heads[task](z)[:, 0] - target).square().mean() for task, target in zip(TASKS, targets, strict=True)}, z


class Loop:
    """The engine around a balancer."""

    def __init__(self, row: Any, **options: Any) -> None:
        self.network, self.balancer = Network(), row.make(TASKS)
        self.backward = Backward(self.balancer, tasks=TASKS, shared=self.network.trunk, model=self.network, **options)

    def step(self, number: int, spoilt: str | None = None, absent: str | None = None) -> Tensor:
        """The direction of the shared parameters."""

        def losses_of(batch: int) -> dict[str, Tensor]:
            losses = self.network.losses(batch)[0]
            return {task: loss * torch.nan if task == spoilt else loss for task, loss in losses.items() if task != absent}

        self.network.zero_grad()
        if self.backward.asks_again:
            self.backward(losses_of, [10 * number + part for part in range(self.balancer.batches)])
        else:
            losses, z = self.network.losses(10 * number)
            losses = {task: loss * torch.nan if task == spoilt else loss for task, loss in losses.items() if task != absent}
            self.backward(losses, features=z)
        self.backward.after_step()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.network.trunk.parameters()]
        return torch.cat([gradient.flatten() for gradient in gradients])


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return torch.equal(first, second) if isinstance(first, Tensor) else first == second


def test_the_engine_gives_what_the_matrix_gives(row: Any, asked: Any) -> None:
    loop, alone = Loop(row), row.make(TASKS)
    if isinstance(alone.needs(), CrossGramian | Lookahead | Representations) or row.spelled == "gradnorm":
        pytest.skip("asks for more than one matrix; tested on its own")
    for number in range(4):
        losses, _ = loop.network.losses(10 * number)
        parameters = list(loop.network.trunk.parameters())
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses.values()]
        matrix = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in rows])
        values = torch.stack([loss.detach() for loss in losses.values()])
        sizes = tuple(parameter.numel() for parameter in parameters)
        if getattr(alone.needs(), "groups", "whole") == "whole":
            sizes = ()
        statistic = MatrixStatistic(matrix, values, TASKS, step=number, sizes=sizes)
        expected = asked(alone, statistic)[1]
        if alone.uses_after_step:
            return  # from the second step on it knows what the losses became
        found = loop.step(number)
        assert float((found - expected).norm()) <= 1e-10 * max(float(matrix.norm()), float(expected.norm())), number


def test_routes_agree(row: Any) -> None:
    first, second = Loop(row, route="sequential"), Loop(row, route="batched")
    for number in range(3):
        one, other = first.step(number), second.step(number)
        assert float((one - other).norm()) <= 1e-10 * float(one.norm())


def test_a_step_that_is_not_finite_teaches_nothing(row: Any) -> None:
    loop = Loop(row, non_finite="skip")
    for number in range(2):
        loop.step(number)
    before = deepcopy(loop.balancer.state_dict())
    assert not bool(loop.step(2, spoilt="t1").any())
    assert same(before, loop.balancer.state_dict())


def test_a_task_that_is_not_finite_is_a_task_that_is_absent(row: Any) -> None:
    first, second = Loop(row, non_finite="drop"), Loop(row, non_finite="drop")
    for number in range(2):
        first.step(number)
        second.step(number)
    one, other = first.step(2, spoilt="t1"), second.step(2, absent="t1")
    assert bool(torch.isfinite(one).all())
    assert float((one - other).norm()) <= 1e-10 * max(float(other.norm()), 1e-300)
    third, fourth = first.step(3), second.step(3)
    assert float((third - fourth).norm()) <= 1e-10 * max(float(fourth.norm()), 1e-300)


def test_a_step_goes_on_from_a_saved_one(row: Any) -> None:
    whole = Loop(row)
    for number in range(3):
        whole.step(number)
    other = Loop(row)
    other.backward.load_state_dict(deepcopy(whole.backward.state_dict()))
    assert torch.equal(whole.step(3), other.step(3))
    assert same(whole.backward.state_dict(), other.backward.state_dict())
