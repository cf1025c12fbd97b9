"""Values that are not finite, at every place from which they can come: named, dropped or skipped before anything has changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.errors import NonFiniteError
from polytask.gradients import Backward, Report

TASKS = ("t0", "t1", "t2")
PLACES = ("loss", "shared gradient", "private gradient", "penalty", "input")


class SpoiltGradient(torch.autograd.Function):
    """The identity, whose gradient is NaN."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Return the values."""
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return NaN."""
        return gradients[0] * torch.nan


class Loop:
    """A network of a trunk and a head per task, trained by `Backward` with a penalty."""

    def __init__(self, row: Any, **options: Any) -> None:
        torch.manual_seed(1)
        self.trunk, self.penalized = nn.Sequential(nn.Linear(4, 5), nn.Tanh()).double(), nn.Parameter(torch.ones(3, dtype=torch.float64))
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1).double() for task in TASKS})
        self.balancer = row.make(TASKS)
        whole = nn.ModuleList([self.trunk, self.heads, nn.ParameterList([self.penalized])])
        self.backward = Backward(self.balancer, tasks=TASKS, shared=self.trunk, model=whole, **options)
        self.whole = whole

    def losses(self, batch: int, place: str, absent: bool) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of a batch, with t1's spoilt at a place, or left out."""
        generator = torch.Generator().manual_seed(batch)
        rows = torch.randn(9, 4, generator=generator, dtype=torch.float64)
        targets = torch.randn(3, 9, generator=generator, dtype=torch.float64)
        z, found = self.trunk(rows), {}
        for task, target in zip(TASKS, targets, strict=True):
            features, head = z, self.heads[task]
            weight = head.weight
            if task == "t1":
                if absent:
                    continue
                features = SpoiltGradient.apply(z) if place == "shared gradient" else z
                features = features * torch.tensor(torch.nan) if place == "input" else features
                weight = SpoiltGradient.apply(weight) if place == "private gradient" else weight
            found[task] = (nn.functional.linear(features, weight, head.bias)[:, 0] - target).square().mean()
            if task == "t1" and place == "loss":
                found[task] = found[task] * torch.inf
        return found, z

    def step(self, number: int, place: str = "", absent: bool = False, without_penalty: bool = False) -> Report:
        """Take a step."""
        self.whole.zero_grad()
        penalized = SpoiltGradient.apply(self.penalized) if place == "penalty" else self.penalized
        penalty = None if without_penalty else penalized.square().sum()
        if self.backward.asks_again:
            batches = [10 * number + part for part in range(self.balancer.batches)]
            report = self.backward(lambda batch: self.losses(batch, place, absent)[0], batches, penalty=penalty, retain_graph=True)
        else:
            losses, z = self.losses(10 * number, place, absent)
            report = self.backward(losses, features=z, penalty=penalty, retain_graph=True)
        self.backward.after_step()
        return report

    def grads(self) -> list[Tensor | None]:
        """`.grad` of every parameter."""
        return [parameter.grad for parameter in self.whole.parameters()]


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return torch.equal(first, second) if isinstance(first, Tensor) else first == second


def steps_before(row: Any) -> int:
    """Two steps, but where a method asks for one task's gradient per step: t1's is the second."""
    return 1 if row.name == "momentum-conflict-free" else 2


def some_steps_later(row: Any, **options: Any) -> Loop:
    loop = Loop(row, **options)
    for number in range(steps_before(row)):
        loop.step(number)
    return loop


@pytest.mark.sampled(8, sweep=2)
@pytest.mark.parametrize("place", PLACES)
def test_the_error_names_the_place_and_nothing_has_changed(row: Any, place: str) -> None:
    loop = some_steps_later(row)
    before = deepcopy(loop.balancer.state_dict())
    where = ("penalty" if place == "penalty" else "task 't1'") + f", step {steps_before(row) + 1}"
    with pytest.raises(NonFiniteError) as caught:
        loop.step(2, place)
    assert str(caught.value).startswith(where)
    assert loop.grads() == [None] * len(loop.grads())
    assert same(loop.balancer.state_dict(), before)


@pytest.mark.sampled(8, sweep=2)
@pytest.mark.parametrize("place", PLACES)
def test_a_skipped_step_changes_nothing(row: Any, place: str) -> None:
    loop = some_steps_later(row, non_finite="skip")
    before = deepcopy(loop.balancer.state_dict())
    report = loop.step(2, place)
    assert report.skipped
    assert report.dropped == (() if place == "penalty" else ("t1",))
    assert loop.grads() == [None] * len(loop.grads())
    assert same(loop.balancer.state_dict(), before)
    assert loop.backward.non_finite_steps == 1


@pytest.mark.sampled(8, sweep=2)
@pytest.mark.parametrize("place", PLACES)
def test_a_step_from_which_something_is_dropped_is_the_step_without_it(row: Any, place: str) -> None:
    first, second = some_steps_later(row, non_finite="drop"), some_steps_later(row, non_finite="drop")
    assert not first.step(2, place).skipped
    second.step(2, absent=place != "penalty", without_penalty=place == "penalty")
    for _ in range(2):
        assert same(first.grads(), second.grads())
        assert same(first.balancer.state_dict(), second.balancer.state_dict())
        first.step(3)
        second.step(3)
