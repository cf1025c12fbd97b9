"""Walks through graphs against `autograd.grad`, one loss and one tensor at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.checkpoint import checkpoint

from polytask.errors import ConfigError
from polytask.gradients.primitives.head_vjp import HeadWalk
from polytask.gradients.primitives.reachability import Reachability, found_shared, named_shared
from polytask.gradients.primitives.vjp import batched_gradients, per_task_gradients

TASKS = ("a", "b", "c")


class Net:
    """A trunk with two representations, and heads that may have a layer in common or look at a representation twice."""

    def __init__(self, *, common: bool) -> None:
        torch.manual_seed(0)
        self.trunk = nn.Linear(4, 10).double()
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in TASKS}).double()
        self.common = nn.Linear(5, 5).double() if common else None
        values = self.trunk(torch.randn(7, 4, dtype=torch.float64)).tanh()
        self.features = (values[:, :5] * 1, values[:, 5:] * 1)
        self.losses = {task: self._loss(number, task) for number, task in enumerate(TASKS)}

    def _loss(self, number: int, task: str) -> Tensor:
        first, second = self.features
        seen = {"a": first, "b": first * second, "c": second + second.exp()}[task]
        seen = seen if self.common is None else self.common(seen)
        return (self.heads[task](seen) - number).square().mean()

    def private(self, task: str) -> list[Tensor]:
        common = [] if self.common is None else list(self.common.parameters())
        return [*self.heads[task].parameters(), *common]


def gradient(loss: Tensor, leaf: Tensor) -> Tensor | None:
    return torch.autograd.grad(loss, leaf, retain_graph=True, allow_unused=True)[0]


def assert_private(net: Net, private: dict[str, tuple[Sequence[Tensor], Sequence[Tensor | None]]], factor: float = 1.0) -> None:
    for task in TASKS:
        leaves, found = private[task]
        assert {id(leaf) for leaf in leaves} == {id(leaf) for leaf in net.private(task)}
        for leaf, value in zip(leaves, found, strict=True):
            expected = gradient(net.losses[task], leaf)
            assert value is not None
            assert expected is not None
            assert torch.allclose(value, factor * expected, rtol=1e-12)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("wanted", [None, frozenset("b")])
def test_one_backward_per_task(wanted: frozenset[str] | None, scaled: bool) -> None:
    net = Net(common=True)
    shared, taken = list(net.trunk.parameters()), {}
    scaler = GradScaler("cpu", init_scale=8.0) if scaled else None
    private = per_task_gradients(net.losses, shared, taken.__setitem__, wanted=wanted, scaler=scaler, keep=True)
    factor = 8.0 if scaled else 1.0
    assert_private(net, private, factor)
    assert tuple(taken) == (TASKS if wanted is None else ("b",))
    for task, found in taken.items():
        for leaf, value in zip(shared, found, strict=True):
            assert torch.allclose(value, factor * gradient(net.losses[task], leaf), rtol=1e-12)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_heads_are_walked_down_to_their_representations(common: bool, scaled: bool) -> None:
    net = Net(common=common)
    walk = HeadWalk(net.losses, net.features, net.trunk.parameters(), GradScaler("cpu", init_scale=8.0) if scaled else None)
    factor = 8.0 if scaled else 1.0
    found, private = walk.run(lambda _, shape, like: torch.full(shape, torch.nan, dtype=like.dtype), keep=True)
    assert [gradients.names for gradients in found] == [("a", "b"), ("b", "c")]
    for gradients, feature in zip(found, net.features, strict=True):
        for task, row in zip(gradients.names, gradients.stack, strict=True):
            assert torch.allclose(row, factor * gradient(net.losses[task], feature), rtol=1e-12)
    assert_private(net, private, factor)


def test_one_batched_backward_is_one_per_task() -> None:
    net = Net(common=False)
    shared = list(net.trunk.parameters())
    found, _ = HeadWalk(net.losses, net.features, shared, None).run(lambda _, shape, like: torch.empty(shape, dtype=like.dtype), keep=True)
    sums = {task: [torch.zeros_like(leaf) for leaf in shared] for task in TASKS}

    def take(task: str, values: Sequence[Tensor | None]) -> None:
        for total, value in zip(sums[task], values, strict=True):
            if value is not None:
                total.add_(value)

    slopes = [(z, gradients.names, gradients.stack) for z, gradients in zip(net.features, found, strict=True)]
    batched_gradients(slopes, shared, take, keep=True)
    for task, totals in sums.items():
        for leaf, total in zip(shared, totals, strict=True):
            assert torch.allclose(total, gradient(net.losses[task], leaf), rtol=1e-10)


def test_a_head_that_goes_around_its_representation_is_refused() -> None:
    net = Net(common=False)
    losses = net.losses | {"a": net.losses["a"] + net.trunk.weight.sum()}
    with pytest.raises(ConfigError, match=r"task 'a': a task must reach shared parameters only through .features."):
        HeadWalk(losses, net.features, net.trunk.parameters(), None)


@pytest.mark.parametrize("common", [False, True])
def test_reachable_leaves_are_those_with_a_gradient(common: bool) -> None:
    net = Net(common=common)
    every = [*net.trunk.parameters(), *net.heads.parameters(), *([] if net.common is None else net.common.parameters())]
    reachability = Reachability()
    for loss in net.losses.values():
        expected = {id(leaf) for leaf in every if gradient(loss, leaf) is not None}
        assert {id(leaf) for leaf in reachability.leaves(loss)} == expected


def test_what_is_shared_is_what_two_losses_reach() -> None:
    net = Net(common=False)
    assert {id(leaf) for leaf in found_shared(net.losses).values()} == {id(leaf) for leaf in net.trunk.parameters()}


def test_a_graph_deeper_than_the_stack() -> None:
    start = torch.ones(1, requires_grad=True)
    value = start
    for _ in range(5_000):
        value = value + 1
    assert [leaf is start for leaf in Reachability().leaves(value)] == [True]


def test_reentrant_checkpoints_are_refused() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    loss = checkpoint(layer, x, use_reentrant=True).sum()
    with pytest.raises(ConfigError, match="use_reentrant=False"):
        per_task_gradients({"a": loss}, [], lambda *_: None, keep=False)
    with pytest.raises(ConfigError, match="use_reentrant=False"):
        HeadWalk({"a": loss}, (torch.ones(1, requires_grad=True) * 2,), [], None)


def test_a_parameter_twice_is_refused() -> None:
    parameter = torch.ones(1, requires_grad=True)
    with pytest.raises(ConfigError, match="must be unique"):
        named_shared([parameter, parameter])
