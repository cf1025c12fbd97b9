"""Wrapped balancers in the hands of `Backward`: what fills `.grad`, and what a step walks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import FAMO
from polytask.balancing.wrappers import ClipWeights, PerGroup, Preference, SmoothWeights, UpdateEvery
from polytask.gradients import Backward

Make = Callable[..., Any]


class Net(nn.Module):
    """Two shared layers and two heads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Linear(2, 1)})
        self.double()

    def losses(self, seed: int, tasks: str = "ab") -> dict[str, Tensor]:
        rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        features = self.trunk(rows)
        return {task: ((self.heads[task](features).squeeze(1) - rows[:, number]) ** 2).mean() for number, task in enumerate(tasks)}

    def rows(self, seed: int) -> list[list[Tensor]]:
        """Per task its gradient of every shared tensor."""
        losses = self.losses(seed)
        return [list(torch.autograd.grad(loss, list(self.trunk.parameters()), retain_graph=True)) for loss in losses.values()]


def filled(net: Net, backward: Backward, seed: int) -> tuple[list[Tensor], list[Tensor], dict[str, float]]:
    """Gradients of trunk and heads after a step, and the weights it reports."""
    net.zero_grad()
    report = backward(net.losses(seed))
    grads = [[p.grad.clone() for p in part.parameters() if p.grad is not None] for part in (net.trunk, net.heads)]
    return grads[0], grads[1], report.weights


def same(ours: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.allclose(one, other, rtol=1e-10) for one, other in zip(ours, expected, strict=True))


def test_between_refreshes_the_trunk_gets_the_last_weights_and_heads_their_own(inverse: Make) -> None:
    net, inside = Net(), inverse()
    backward = Backward(UpdateEvery(inside, 3), tasks=("a", "b"), shared=net.trunk)
    first = filled(net, backward, 0)[2]
    for seed in (1, 2):
        trunk, heads, weights = filled(net, backward, seed)
        assert weights == first
        rows = net.rows(seed)
        assert same(trunk, [first["a"] * g + first["b"] * h for g, h in zip(*rows, strict=True)])
        net.zero_grad()
        sum(net.losses(seed).values()).backward()
        assert same(heads, [p.grad for p in net.heads.parameters()])
    assert inside.asked == 1
    assert filled(net, backward, 3)[2] != first
    assert inside.asked == 2


@pytest.mark.parametrize("kind", ["inverse", "unit"])
def test_per_layer_every_layer_gets_its_own_direction(kind: str, request: pytest.FixtureRequest) -> None:
    make, net = request.getfixturevalue(kind), Net()
    trunk, _, _ = filled(net, Backward(PerGroup(make()), tasks=("a", "b"), shared=net.trunk), 0)
    for layer in (slice(0, 2), slice(2, 4)):
        J = torch.stack([torch.cat([g.flatten() for g in row[layer]]) for row in net.rows(0)])
        expected = make().aggregate(J)
        assert torch.allclose(torch.cat([g.flatten() for g in trunk[layer]]), expected, rtol=1e-10)


def test_preferences_are_the_losses_times_p(inverse: Make) -> None:
    net = Net()
    trunk, _, _ = filled(net, Backward(Preference(inverse(), {"a": 5.0, "b": 0.2}), tasks=("a", "b"), shared=net.trunk), 0)
    net.zero_grad()
    losses = net.losses(0)
    Backward(inverse(), tasks=("a", "b"), shared=net.trunk)({"a": 5 * losses["a"], "b": 0.2 * losses["b"]})
    assert same(trunk, [p.grad for p in net.trunk.parameters()])


def test_several_wrappers_at_once_keep_the_present_and_absent_tasks_apart(inverse: Make) -> None:
    net = Net()
    balancer = UpdateEvery(SmoothWeights(ClipWeights(inverse(), 0.0, 5.0), 0.5), 2)
    backward = Backward(balancer, tasks=("a", "b"), shared=net.trunk)
    for seed, tasks in enumerate(("ab", "a", "ab", "ab", "b")):
        net.zero_grad()
        report = backward(net.losses(seed, tasks) if tasks != "b" else {"b": net.losses(seed)["b"]})
        assert tuple(report.weights) == tuple(tasks)


@pytest.mark.parametrize("wrap", [SmoothWeights, ClipWeights, UpdateEvery, lambda balancer: Preference(balancer, {"a": 1.0, "b": 2.0})])
def test_what_looks_again_does_so_through_a_wrapper(wrap: Callable[[FAMO], Any]) -> None:
    net, inside = Net(), FAMO()
    backward = Backward(wrap(inside), tasks=("a", "b"), shared=net.trunk, model=net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for seed in range(3):
        optimizer.zero_grad()
        backward(net.losses, [seed])
        optimizer.step()
        backward.after_step()
    assert {state["steps"] for state in inside.state_dict().values()} == {3}
