"""Heads, and losses, that are computed together have the values and gradients of single ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polytask.architectures import MultiTaskModel, architecture
from polytask.architectures.network import grouped_heads
from polytask.architectures.network.task_heads import SelectSummary, build_head
from polytask.data import Source
from polytask.encoders import MLP
from polytask.gradients import Backward
from polytask.gradients.primitives.vjp import per_task_gradients
from polytask.tasks import Binary, Multiclass, Regression, Task, grouped_losses
from polytask.tasks.grouped_losses import masked_losses
from polytask.tasks.loss import masked_loss
from polytask.training import fit, inference

ROWS, NEVER = 24, 10**9
KINDS = {
    "binary": lambda name: Binary(name=name, label_smoothing=0.1),
    "regression": lambda name: Regression(name=name),
    "multiclass": lambda name: Multiclass(name=name, classes=("a", "b", "c")),
}


def together(monkeypatch: pytest.MonkeyPatch, fewest: int) -> None:
    """Compute heads and losses together from this number on."""
    for module in (architecture, grouped_heads):
        monkeypatch.setattr(module, "FEWEST_HEADS", fewest)
    for module in (inference, grouped_losses):
        monkeypatch.setattr(module, "FEWEST_LOSSES", fewest)


def tasks_of(kind: str, number: int) -> list[Task]:
    """Tasks of a kind; `mixed` takes them in turn."""
    kinds = list(KINDS) if kind == "mixed" else [kind]
    return [KINDS[kinds[n % len(kinds)]](f"t{n}") for n in range(number)]


def run(tasks: Sequence[Task], hidden: tuple[int, ...], balancer: str) -> tuple[MultiTaskModel, dict[str, Tensor]]:
    """Return a network with the gradients of a step in which t1 has no label and others lack some, and its losses."""
    model = MultiTaskModel(MLP((5,), hidden=(8,)), tasks, hidden=hidden, initialization="framework", seed=1).double()
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, ROWS, 5, generator=random, dtype=torch.float64)
    labels = {task.name: torch.randint(0, 2, (ROWS,), generator=random) for task in tasks}
    targets = {task.name: labels[task.name].float() if isinstance(task, Regression) else labels[task.name] for task in tasks}
    labeled = {task.name: torch.rand(ROWS, generator=random) < 0.7 for task in tasks}
    labeled["t0"], labeled["t1"] = None, torch.zeros(ROWS, dtype=torch.bool)
    names = [task.name for task in tasks]
    backward = Backward(balancer, tasks=names, shared=model.shared_parameters(), model=model)
    inputs: list[Tensor] = []

    def losses(number: int) -> dict[str, Tensor]:
        features = model.features(x[number % 2], names)
        inputs[:] = {id(z): z for z in features.values()}.values()
        found = masked_losses({task.name: task for task in tasks}, model.outputs(features), targets, labeled, {})
        return {name: loss.mean for name, loss in found.items()}

    first = losses(0)
    if backward.asks_again:
        backward(losses, list(range(backward.balancer.batches)))
    else:
        backward(first, features=inputs, retain_graph=True)
    return model, first


@pytest.mark.parametrize("kind", ["binary", "mixed"])
@pytest.mark.parametrize(("number", "hidden"), [(3, ()), (6, (4, 3)), (12, (4,))])
@pytest.mark.parametrize("balancer", ["equal", "uncertainty", "mgda", "upgrad", "imtl", "graddrop", "gradnorm", "modo", "forum"])
@pytest.mark.sampled(5)
def test_heads_together_are_the_heads_one_by_one(
    monkeypatch: pytest.MonkeyPatch, kind: str, number: int, hidden: tuple[int, ...], balancer: str
) -> None:
    tasks = tasks_of(kind, number)
    together(monkeypatch, NEVER)
    expected, expected_losses = run(tasks, hidden, balancer)
    together(monkeypatch, 2)
    found, losses = run(tasks, hidden, balancer)
    assert list(losses) == list(expected_losses) == [task.name for task in tasks if task.name != "t1"]
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected_losses[name], rtol=1e-13, atol=1e-13)
    for (name, value), (other, same) in zip(found.named_parameters(), expected.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(value, same)
        assert (value.grad is None) == (same.grad is None), name
        if value.grad is not None and same.grad is not None:
            torch.testing.assert_close(value.grad, same.grad, rtol=1e-9, atol=1e-11)
    assert all(parameter.grad is None for parameter in found.head("t1").parameters())
    assert all(parameter.grad is not None for parameter in found.head("t2").parameters())


@pytest.mark.parametrize("balancer", ["equal", "famo", "db-mtl", "upgrad", "excess-mtl", "modo", "forum"])  # every kind of need
def test_heads_on_a_frozen_trunk_are_trained_as_one_by_one(monkeypatch: pytest.MonkeyPatch, balancer: str) -> None:
    random = np.random.default_rng(0)
    tasks = [Regression(name=f"t{number}") for number in range(14)]
    table = Source("table", random.normal(size=(8, 3)).astype("float32"), {task.name: random.normal(size=8) for task in tasks})
    trained = []
    for fewest in (2, NEVER):
        together(monkeypatch, fewest)
        model = MultiTaskModel(MLP((3,), hidden=(4,)), tasks, hidden=(), initialization="framework", seed=1)
        before = [value.detach().clone() for value in model.head("t0").parameters()]
        fit(model, [table], balancer, epochs=1, batch_size=8, threads=1, freeze=("architecture.encoder",))
        assert not any(torch.equal(value, old) for value, old in zip(model.head("t0").parameters(), before, strict=True))
        trained.append([value.detach() for value in model.parameters()])
    torch.testing.assert_close(*trained, rtol=1e-5, atol=1e-6)


def test_few_heads_are_called_one_by_one() -> None:
    heads = nn.ModuleDict({f"t{n}": build_head(4, 2, (3,)) for n in range(grouped_heads.FEWEST_HEADS - 1)})
    z = torch.randn(5, 4, requires_grad=True)
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    assert all(torch.equal(outputs[name], head(z)) and not hasattr(outputs[name].grad_fn, "branches") for name, head in heads.items())


def many(number: int = 14) -> tuple[dict[str, nn.Module], Tensor]:
    """Return heads in double precision, and features."""
    torch.manual_seed(0)
    return {f"t{n}": build_head(4, 2, (3,)).double() for n in range(number)}, torch.randn(6, 4, dtype=torch.float64, requires_grad=True)


def test_a_head_with_a_hook_or_another_module_is_called() -> None:
    heads, z = many()
    seen: list[str] = []
    heads["t2"].register_forward_hook(lambda *_: seen.append("t2"))
    heads["t3"] = nn.Sequential(nn.Linear(4, 2), nn.Tanh()).double()
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    assert seen == ["t2"]
    assert [name for name in heads if not hasattr(outputs[name].grad_fn, "branches")] == ["t2", "t3"]


def test_hooks_of_selectors_are_called() -> None:
    heads = {f"t{n}": build_head(4, 2, (3,), SelectSummary()) for n in range(14)}
    seen: list[str] = []
    for name, head in heads.items():
        head[0].register_forward_hook(lambda *_, name=name: seen.append(name))
    grouped_heads.apply_heads(dict.fromkeys(heads, torch.randn(5, 3, 4)), heads)
    assert seen == list(heads)


def test_layers_may_have_names_and_be_registered_in_another_order() -> None:
    z = torch.randn(5, 4)
    heads = {f"t{n}": nn.Sequential(OrderedDict(fc=nn.Linear(4, 4))) for n in range(28)}
    for head in list(heads.values())[14:]:
        weight = head.fc.weight
        del head.fc.weight
        head.fc.weight = weight
    for name, values in grouped_heads.apply_heads(dict.fromkeys(heads, z), heads).items():
        assert hasattr(values.grad_fn, "branches") == (int(name[1:]) < 14)
        torch.testing.assert_close(values, heads[name](z))


def test_double_precision_is_kept_under_autocast() -> None:
    heads, z = many()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
        assert all(torch.equal(values, heads[name](z)) for name, values in outputs.items())


def test_parameters_made_in_inference_mode_predict() -> None:
    with torch.inference_mode():
        heads, z = many()
    with torch.no_grad():
        outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
        torch.testing.assert_close(outputs, {name: head(z) for name, head in heads.items()})


def test_derivatives_of_second_order_after_autocast() -> None:
    heads, z = many()
    z32 = z.detach().float().requires_grad_()
    for head in heads.values():
        head.float()
    with torch.autocast("cpu", torch.bfloat16):
        features = nn.functional.linear(z32, torch.eye(4))  # in bfloat16, as of a trunk
        pair = grouped_heads.apply_heads(dict.fromkeys(heads, features), heads)["t3"], heads["t3"](features)
    slopes = [torch.autograd.grad(values.float().square().sum(), z32, create_graph=True)[0] for values in pair]
    assert slopes[0].dtype == torch.float32
    torch.testing.assert_close(*slopes, rtol=0.05, atol=0.05)
    seconds = [torch.autograd.grad(slope.square().sum(), z32, retain_graph=True)[0] for slope in slopes]
    torch.testing.assert_close(*seconds, rtol=0.05, atol=0.05)


def test_derivatives_of_second_order_are_those_of_single_heads() -> None:
    heads, z = many()
    together_, single = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads), {name: head(z) for name, head in heads.items()}
    for task in ("t0", "t7"):
        weight = heads[task][2].weight  # type: ignore[index]
        second = []
        for outputs in (together_, single):
            (slope,) = torch.autograd.grad(outputs[task].square().sum(), z, create_graph=True)
            second.append(torch.autograd.grad(slope.square().sum(), weight, retain_graph=True)[0])
        torch.testing.assert_close(*second, rtol=1e-12, atol=1e-12)


def test_a_changed_parameter_is_refused_in_the_backward_pass() -> None:
    heads, z = many()
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    with torch.no_grad():
        heads["t3"][0].weight.add_(1.0)  # type: ignore[index, operator, union-attr]
    outputs["t4"].sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs["t3"].sum().backward()


@pytest.mark.parametrize("requires_grad", [False, True])
def test_changed_features_are_refused_in_the_backward_pass(requires_grad: bool) -> None:
    heads, z = many()
    z = (z * 1.0) if requires_grad else z.detach().clone()
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    z.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs["t3"].sum().backward()


@pytest.mark.parametrize("form", ["constant", "leaf", "trunk"])
def test_heads_have_backward_passes_of_their_own(form: str) -> None:
    heads, leaf = many()
    z = {"constant": leaf.detach(), "leaf": leaf, "trunk": leaf.exp()}[form]
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    for name, values in outputs.items():
        parameters = [*heads[name].parameters(), *([leaf] if form == "leaf" else [])]
        found = torch.autograd.grad(values.sum(), parameters)
        expected = torch.autograd.grad(heads[name](z).sum(), parameters)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        with pytest.raises(RuntimeError, match="a second time"):
            torch.autograd.grad(values.sum(), parameters)


@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 4)])
@pytest.mark.parametrize("hidden", [(), (3,)])
def test_a_batch_without_rows(shape: tuple[int, ...], hidden: tuple[int, ...]) -> None:
    heads = {f"t{n}": build_head(4, 2, hidden) for n in range(14)}
    trunk = nn.Linear(4, 4)
    z = trunk(torch.zeros(shape))
    outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z), heads)
    assert all(values.shape == (*shape[:-1], 2) for values in outputs.values())
    found = per_task_gradients({name: values.sum() for name, values in outputs.items()}, [trunk.weight], lambda *_: None, keep=True)
    assert all(value is not None and not value.any() for _, gradients in found.values() for value in gradients)
    torch.cat(list(outputs.values())).sum().backward()
    assert trunk.weight.grad is not None


def test_frozen_heads_and_autocast() -> None:
    heads, z = many()
    z32 = z.detach().float()
    for head in heads.values():
        head.float()
    heads["t5"].requires_grad_(requires_grad=False)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = grouped_heads.apply_heads(dict.fromkeys(heads, z32), heads)
        expected = {name: head(z32) for name, head in heads.items()}
    for name, values in outputs.items():
        assert values.dtype == torch.bfloat16
        torch.testing.assert_close(values, expected[name], rtol=2**-6, atol=2**-6)
    torch.stack([values.float().sum() for values in outputs.values()]).sum().backward()
    assert all(parameter.grad is None for parameter in heads["t5"].parameters())
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for name in heads if name != "t5" for p in heads[name].parameters())


def test_a_loss_that_says_nothing_of_its_options_is_computed_by_itself() -> None:
    class Halved(Regression):
        """Overrides the loss, but not the options that it depends on."""

        def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return (outputs.squeeze(1) - targets).square() / (2 + len(self.name))

    tasks = {f"{'long' * (n % 3)}{n}": Halved(name=f"{'long' * (n % 3)}{n}") for n in range(14)}
    outputs = {name: torch.from_numpy(np.random.default_rng(n).normal(size=(6, 1))) for n, name in enumerate(tasks)}
    targets = {name: torch.zeros(6) for name in tasks}
    found = masked_losses(tasks, outputs, targets, dict.fromkeys(tasks), {})
    for name, task in tasks.items():
        single = masked_loss(task, outputs[name], targets[name], None)
        assert single is not None
        assert torch.equal(found[name].sum, single.sum)


def test_a_subclass_that_overrides_what_the_loss_calls_is_another_kind() -> None:
    class Scaled(Regression):
        """Calls a function that a subclass may override."""

        def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return self.factor() * (outputs.squeeze(1) - targets).square()

        def loss_options(self) -> tuple[()]:
            return ()

        def factor(self) -> float:
            return 1.0

    class Doubled(Scaled):
        """Overrides that function only."""

        def factor(self) -> float:
            return 2.0

    tasks = {f"t{n}": (Doubled if n % 2 else Scaled)(name=f"t{n}") for n in range(28)}
    outputs, targets = dict.fromkeys(tasks, torch.ones(3, 1)), dict.fromkeys(tasks, torch.zeros(3))
    found = masked_losses(tasks, outputs, targets, dict.fromkeys(tasks), {})
    assert [found[name].sum.item() for name in tasks] == [3.0, 6.0] * 14
