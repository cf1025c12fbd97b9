"""`Backward` in the loops that people have: mixed precision, checkpoints, compiled parts, clipping, sharing by some of the tasks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
import torch._functorch.config as functorch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.checkpoint import checkpoint

from polytask.balancing import Balancer, Direction, GroupWeights, MatrixStatistic, Norms, Weights, answer_to_direction
from polytask.balancing.factory import balancer_named
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.registry.parsing import parse_balancer

TASKS = ("a", "b", "c")
BY_NEED = {
    "nothing": "uncertainty",
    "losses": "gls",
    "norms": "gradnorm(parameters=shared)",
    "last norms": "gradnorm",
    "gramian": "upgrad",
    "gramians": "gradvac(groups=layer)",
    "jacobian": "moco",
    "one row": "momentum-conflict-free",
}
every = pytest.mark.parametrize("spelled", BY_NEED.values(), ids=BY_NEED.keys())


def balancer_of(spelled: str) -> Balancer:
    name, options = parse_balancer(spelled)
    return balancer_named(name, options, dict.fromkeys(TASKS, 1.0))


class Net(nn.Module):
    """A trunk of two layers and three heads, float32."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in TASKS})
        self.through: list[Callable[[Tensor], Tensor]] = [self.trunk]

    def losses(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        x, y = torch.randn(12, 4, generator=generator), torch.randn(3, 12, 1, generator=generator)
        z = self.through[0](x)
        return {task: nn.functional.mse_loss(self.heads[task](z).float(), target) for task, target in zip(TASKS, y, strict=True)}

    def grads(self) -> dict[str, Tensor | None]:
        return {name: None if p.grad is None else p.grad.clone() for name, p in self.named_parameters()}


def reference(net: Net, spelled: str, precision: Any = nullcontext) -> dict[str, Tensor | None]:
    """`.grad` from one `autograd.grad` per task, put together by hand."""
    with precision(net):
        losses = net.losses()
    balancer = balancer_of(spelled)
    named = {name: p for name, p in net.named_parameters() if name.startswith("trunk") and p.requires_grad}
    shared = list(named.values())
    grads: dict[str, Tensor | None] = dict.fromkeys(dict(net.named_parameters()))
    rows, own = [], []
    for task, loss in losses.items():
        private = [p for p in net.heads[task].parameters() if p.requires_grad]
        found = torch.autograd.grad(loss, shared + private, retain_graph=True, allow_unused=True) if loss.requires_grad else []
        filled = [torch.zeros_like(p) if g is None else g for p, g in zip(shared, found or [None] * len(shared), strict=False)]
        rows.append(torch.cat([g.flatten() for g in filled]))
        own.append(dict(zip([n for n, p in net.heads[task].named_parameters() if p.requires_grad], found[len(shared) :], strict=False)))
    layers = [6 * 4 + 6, 5 * 6 + 5]
    sizes = {"gradvac(groups=layer)": tuple(layers)}.get(spelled, ())
    values = torch.stack([loss.detach().double() for loss in losses.values()])
    matrix = torch.stack(rows)
    wanted = getattr(balancer.needs(), "tasks", None)
    needs = balancer.needs()
    seen = matrix[:, -layers[1] :] if isinstance(needs, Norms) and needs.parameters == "last" else matrix
    seen = matrix[[TASKS.index(task) for task in wanted]] if wanted else seen
    answer = balancer.weigh(MatrixStatistic(seen, values, TASKS, sizes=sizes))
    whole = MatrixStatistic(matrix, values, TASKS, sizes=sizes)
    direction = answer_to_direction(answer, whole if isinstance(answer, Weights | GroupWeights) else MatrixStatistic(seen, values, TASKS))
    start = 0
    for name, parameter in named.items() if getattr(answer, "solved", True) else ():
        grads[name] = direction[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
    weights = answer.values.tolist() if isinstance(answer, Weights) and answer.heads else [1.0] * 3
    for task, weight, gradients in zip(TASKS, weights, own, strict=True):
        for name, gradient in gradients.items():
            grads[f"heads.{task}.{name}"] = weight * gradient
    return grads


def assert_same(found: Mapping[str, Tensor | None], expected: Mapping[str, Tensor | None], rtol: float = 1e-5) -> None:
    for name, value in expected.items():
        other = found[name]
        assert (other is None) == (value is None), name
        if value is not None and other is not None:
            assert torch.allclose(other, value, rtol=rtol, atol=rtol * float(value.abs().max()) + 1e-12), name


@contextmanager
def as_it_is(net: Net) -> Iterator[None]:
    yield


@contextmanager
def bfloat16(net: Net) -> Iterator[None]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


@contextmanager
def checkpointed(net: Net) -> Iterator[None]:
    net.through[0] = lambda x: checkpoint(net.trunk, x, use_reentrant=False)
    yield


@contextmanager
def compiled_trunk(net: Net) -> Iterator[None]:
    with functorch.patch(donated_buffer=False):
        net.through[0] = torch.compile(net.trunk, backend="aot_eager")
        yield


@contextmanager
def compiled_heads(net: Net) -> Iterator[None]:
    with functorch.patch(donated_buffer=False):
        for head in net.heads.values():
            head.compile(backend="aot_eager")
        yield


@contextmanager
def frozen_layer(net: Net) -> Iterator[None]:
    net.trunk[2].requires_grad_(requires_grad=False)
    net.trunk[0].requires_grad_(requires_grad=True)
    yield


@contextmanager
def frozen_head(net: Net) -> Iterator[None]:
    net.heads["b"].requires_grad_(requires_grad=False)
    yield


SITUATIONS = (as_it_is, bfloat16, checkpointed, compiled_trunk, compiled_heads, frozen_head)


@pytest.mark.sampled(2, drawn=True)
@every
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_every_need_in_every_situation(spelled: str, situation: Any) -> None:
    eager, net = Net(), Net()
    if situation is frozen_head:
        eager.heads["b"].requires_grad_(requires_grad=False)
    expected = reference(eager, spelled, precision=bfloat16 if situation is bfloat16 else as_it_is)
    with situation(net):
        losses = net.losses()
        Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk)(losses)
    # One walk of a weighted sum adds in bfloat16 what the reference adds afterwards: 8 bits.
    assert_same(net.grads(), expected, rtol=2**-7 if situation is bfloat16 else 1e-5)


@every
def test_a_frozen_layer_of_the_trunk_stays_without_gradient(spelled: str) -> None:
    if spelled in ("gradvac(groups=layer)", "gradnorm"):
        pytest.skip("its groups or its last layer are others then")
    eager, net = Net(), Net()
    with frozen_layer(eager), frozen_layer(net):
        Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk)(net.losses())
        assert_same(net.grads(), reference(eager, spelled))


@every
def test_a_compiled_step_is_the_same_at_every_step(spelled: str) -> None:
    plain, net = Net(), Net()
    first, second = (Backward(balancer_of(spelled), tasks=TASKS, shared=some.trunk) for some in (plain, net))
    with compiled_trunk(net):
        for _ in range(3):
            plain.zero_grad()
            net.zero_grad()
            first(plain.losses())
            second(net.losses())
            assert_same(net.grads(), plain.grads())


def test_a_compiled_trunk_that_gives_its_graph_away_is_one_line() -> None:
    net = Net()
    net.through[0] = torch.compile(net.trunk, backend="aot_eager")
    with functorch.patch(donated_buffer=True):
        try:
            Backward(balancer_of("upgrad"), tasks=TASKS, shared=net.trunk)(net.losses())
        except ConfigError as error:
            assert "supports only one backward pass" in str(error)
            assert "\n" not in str(error)


def test_a_compiled_trunk_is_not_walked_for_all_tasks_at_once() -> None:
    net = Net()
    with compiled_trunk(net):
        seen: list[Tensor] = []
        through = net.through[0]
        net.through[0] = lambda x: seen.append(through(x)) or seen[-1]  # type: ignore[func-returns-value]
        losses = net.losses()
        with pytest.raises(ConfigError, match="compiled module does not support a batched backward pass"):
            Backward(balancer_of("upgrad"), tasks=TASKS, shared=net.trunk, route="batched")(losses, features=seen[0])


def test_a_wholly_compiled_model_needs_shared_parameters_by_name() -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: Tensor) -> list[Tensor]:
            z = self.net.trunk(x)
            return [self.net.heads[task](z).square().mean() for task in TASKS]

    model, x = Whole(), torch.randn(5, 4)
    with functorch.patch(donated_buffer=False):
        run = torch.compile(model, backend="aot_eager")
        with pytest.raises(ConfigError, match="shared"):
            Backward(balancer_of("upgrad"), tasks=TASKS)(dict(zip(TASKS, run(x), strict=True)))
        Backward(balancer_of("upgrad"), tasks=TASKS, shared=model.net.trunk)(dict(zip(TASKS, run(x), strict=True)))
    found = model.net.grads()
    model.zero_grad()
    Backward(balancer_of("upgrad"), tasks=TASKS, shared=model.net.trunk)(dict(zip(TASKS, model(x), strict=True)))
    assert_same(found, model.net.grads())


def test_reentrant_checkpoints_are_refused_in_one_line() -> None:
    net = Net()
    net.through[0] = lambda x: checkpoint(net.trunk, x.requires_grad_(), use_reentrant=True)
    with pytest.raises(ConfigError, match="use_reentrant=False"):
        Backward(balancer_of("upgrad"), tasks=TASKS, shared=net.trunk)(net.losses())


@every
def test_clipping_and_the_optimizer_are_ordinary(spelled: str) -> None:
    net, other = Net(), Net()
    Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk)(net.losses())
    for name, gradient in reference(Net(), spelled).items():
        other.get_parameter(name).grad = gradient
    for some in (net, other):
        nn.utils.clip_grad_norm_(some.parameters(), 0.1)
        torch.optim.SGD(some.parameters(), lr=0.5).step()
    for first, second in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(first, second, rtol=1e-5, atol=1e-7)


@every
def test_half_precision_with_a_scaler_is_single_precision_up_to_its_round_off(spelled: str) -> None:
    """Three steps: the scaler sees scaled gradients, the balancer unscaled ones, the optimizer unscaled ones again."""
    if spelled == "momentum-conflict-free":
        pytest.skip("a sign of every number: half precision turns those of small ones")
    single, half = Net(), Net()
    steps = []
    for net, scaler in ((single, None), (half, GradScaler("cpu", init_scale=2.0**10))):
        backward = Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk, scaler=scaler)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16, enabled=scaler is not None):
                losses = net.losses()
            backward(losses)
            if scaler is None:
                optimizer.step()
            else:
                scaler.unscale_(optimizer)
                scaler.step(optimizer)
                scaler.update()
        start = torch.cat([parameter.detach().flatten() for parameter in Net().parameters()])
        steps.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]) - start)
    assert float((steps[0] - steps[1]).norm()) <= 0.02 * float(steps[0].norm())


class Partly(nn.Module):
    """Three tasks: all reach `first`, a and b reach `second`, nobody reaches `third`, c's loss has no graph if asked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.shared = nn.ModuleDict({name: nn.Linear(3, 3) for name in ("first", "second", "third")}).double()
        self.own = nn.ParameterDict({task: nn.Parameter(torch.randn(3, dtype=torch.float64)) for task in TASKS})

    def losses(self, graph: bool = True) -> dict[str, Tensor]:
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        z = self.shared["first"](x).tanh()
        deep = self.shared["second"](z).tanh()
        losses = {"a": (deep @ self.own["a"]).square().mean(), "b": (deep @ self.own["b"] - 1).square().mean()}
        return losses | {"c": (z @ self.own["c"]).exp().mean() if graph else torch.tensor(2.0, dtype=torch.float64)}


@every
@pytest.mark.parametrize("graph", [True, False])
def test_parameters_of_some_of_the_tasks_and_tasks_without_a_graph(spelled: str, graph: bool) -> None:
    """Rows are zero where a task does not reach; parameters that nobody reaches stay without gradient."""
    net = Partly()
    needs = balancer_of(spelled).needs()
    if isinstance(needs, Norms) and needs.parameters == "last":
        pytest.skip("nobody reaches the last layer")
    Backward(balancer_of(spelled), tasks=TASKS, shared=net.shared)(net.losses(graph))
    present = TASKS if graph else TASKS[:2]  # a loss without a graph is an absent task
    losses, parameters = {task: net.losses(graph)[task] for task in present}, list(net.shared.parameters())
    rows = []
    for loss in losses.values():
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(parameters, found, strict=True)]))
    balancer, matrix = balancer_of(spelled), torch.stack(rows)
    wanted = getattr(needs, "tasks", None)
    seen = matrix[[present.index(task) for task in wanted if task in present]] if wanted else matrix
    sizes = (12, 12, 12) if getattr(needs, "groups", "whole") == "layer" else ()
    values = torch.stack([loss.detach() for loss in losses.values()])
    answer = balancer.weigh(MatrixStatistic(seen, values, present, sizes=sizes))
    expected = answer_to_direction(answer, MatrixStatistic(seen if isinstance(answer, Direction) else matrix, values, present, sizes=sizes))
    start = 0
    for name, parameter in net.shared.named_parameters():
        if name.startswith("third"):
            assert parameter.grad is None
        elif parameter.grad is not None:
            assert torch.allclose(parameter.grad.flatten(), expected[start : start + parameter.numel()], rtol=1e-9, atol=1e-12)
        start += parameter.numel()
    assert (net.own["c"].grad is None) == (not graph)


@every
def test_heads_are_weighted_as_asked(spelled: str) -> None:
    found = []
    for weight_heads in (False, True):
        net = Net()
        backward = Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk, weight_heads=weight_heads)
        if weight_heads and spelled in ("gradvac(groups=layer)", "moco", "momentum-conflict-free"):
            with pytest.raises(ConfigError, match="one weight per task"):
                for _ in TASKS:  # a method that gets one task a step has no direction before all had their turn
                    backward(net.losses())
            return
        report = backward(net.losses())
        found.append((net.grads(), report.weights))
    plain, weighted = found
    for task in TASKS:
        name = f"heads.{task}.weight"
        first, second = plain[0][name], weighted[0][name]
        assert first is not None
        assert second is not None
        assert torch.allclose(second, first * weighted[1][task], rtol=1e-5)


@every
def test_nothing_of_a_step_is_kept_alive(spelled: str) -> None:
    net = Net()
    backward = Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk)
    kept: list[weakref.ref[Tensor]] = []
    for _ in range(2):
        losses = net.losses()
        kept += [weakref.ref(loss) for loss in losses.values()]
        backward(losses)
        del losses
    gc.collect()
    assert all(reference() is None for reference in kept)


@every
def test_grad_is_nobody_else_s_memory(spelled: str) -> None:
    """Changing `.grad` in place changes no later step, no state and no other `.grad`."""
    first, second = Net(), Net()
    backwards = [Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk) for net in (first, second)]
    for _ in range(3):
        for net, backward in zip((first, second), backwards, strict=True):
            net.zero_grad()
            backward(net.losses())
        assert_same(first.grads(), second.grads(), rtol=1e-7)
        for parameter in second.parameters():
            if parameter.grad is not None:
                others = [p.grad.clone() for p in second.parameters() if p is not parameter and p.grad is not None]
                parameter.grad.fill_(7.0)
                left = [p.grad for p in second.parameters() if p is not parameter and p.grad is not None]
                assert all(torch.equal(one, other) for one, other in zip(others, left, strict=True))


def test_explain_says_what_happens() -> None:
    net = Net()
    for route, words in (("sequential", "3 backward passes"), ("batched", "one batched backward pass"), ("representation", "approximate")):
        backward = Backward(balancer_of("upgrad"), tasks=TASKS, shared=net.trunk, route=route)  # type: ignore[arg-type]
        assert words in backward.explain()
    for spelled, words in (("gradnorm", "one more of every head"), ("gradnorm(parameters=shared)", "3 backward passes")):
        assert words in Backward(balancer_of(spelled), tasks=TASKS, shared=net.trunk).explain()
    assert "for a, and the heads" in Backward(balancer_of("momentum-conflict-free"), tasks=TASKS).explain()
    assert "65 numbers in 4 tensors: 0.weight, 0.bias, 2.weight, 2.bias" in backward.explain()
