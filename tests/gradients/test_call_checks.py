"""What people's loops do wrong: one line each, where the mistake is made; and what only looks wrong."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.balancing import UPGrad
from polytask.errors import ConfigError, PolytaskError
from polytask.gradients import Backward

TASKS = ("a", "b")


class Net(nn.Module):
    """A trunk of two layers, and a head per task."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4))
        self.heads = nn.ModuleDict({task: nn.Linear(4, 1) for task in TASKS})

    def losses(self) -> dict[str, Tensor]:
        """Two losses that conflict."""
        z = self.trunk(torch.ones(5, 3))
        return {"a": self.heads["a"](z).square().mean(), "b": (self.heads["b"](z) - 1).square().mean()}


def with_losses(change: Callable[[dict[str, Tensor]], dict[str, Any]], **options: Any) -> Callable[[], object]:
    """A call of `Backward` with changed losses."""

    def run() -> object:
        net = Net()
        return Backward("upgrad", tasks=TASKS, shared=net.trunk, **options)(change(net.losses()))

    return run


def twice_through_one_graph() -> None:
    net = Net()
    backward, losses = Backward("upgrad", tasks=TASKS, shared=net.trunk), net.losses()
    backward(losses)
    backward(losses)


def without_after_step() -> None:
    net = Net()
    backward = Backward("famo", tasks=TASKS, shared=net.trunk, model=net)
    for _ in range(2):
        backward(lambda _: net.losses(), [0])


def stale_shared() -> None:
    net = Net()
    Backward("upgrad", tasks=TASKS, shared=copy.deepcopy(net).trunk)(net.losses())


def part_of_shared() -> None:
    net = Net()
    Backward("upgrad", tasks=TASKS, shared=net.trunk[2])(net.losses())


def state_of_another() -> None:
    Backward("upgrad", tasks=TASKS).load_state_dict(Backward("cagrad", tasks=TASKS).state_dict())


def without_gradients() -> object:
    net = Net()
    with torch.no_grad():
        losses = net.losses()
    return Backward("upgrad", tasks=TASKS, shared=net.trunk)(losses)


MISUSES: dict[str, tuple[Callable[[], object], str]] = {
    "a number": (with_losses(lambda found: found | {"a": 0.0}), "task 'a': a loss must be a scalar tensor"),
    "None": (with_losses(lambda found: found | {"a": None}), "task 'a': a loss must be a scalar tensor"),
    "a vector": (with_losses(lambda found: found | {"b": found["b"] * torch.ones(3)}), r"task 'b': .*shape \(3,\).*loss.mean\(\)"),
    "no gradients": (without_gradients, "no loss has a graph"),
    "detached": (with_losses(lambda found: {task: loss.detach() for task, loss in found.items()}), "no loss has a graph"),
    "a stranger": (with_losses(lambda found: found | {"c": found["a"]}), "'c': unknown task"),
    "two walks": (twice_through_one_graph, "a second time"),
    "no after_step": (without_after_step, r"after_step\(\) has not been called"),
    "a copy's parameters": (stale_shared, "no loss reaches any of the shared parameters"),
    "some of the shared parameters": (part_of_shared, "several tasks reach parameters that are not declared as shared"),
    "another balancer's state": (state_of_another, "the same balancer"),
    "a typo": (lambda: Backward("upgard", tasks=TASKS), "upgrad"),
    "no balancer": (lambda: Backward(nn.Linear(1, 1), tasks=TASKS), "balancer"),  # type: ignore[arg-type]
    "one name": (lambda: Backward("upgrad", tasks="a"), "a list of names"),
    "no tasks": (lambda: Backward("upgrad", tasks=()), "non-empty"),
    "a task twice": (lambda: Backward("upgrad", tasks=("a", "a")), "unique"),
    "a route": (lambda: Backward("upgrad", tasks=TASKS, route="fast"), "route"),  # type: ignore[arg-type]
    "a policy": (lambda: Backward("upgrad", tasks=TASKS, non_finite="ignore"), "non_finite"),  # type: ignore[arg-type]
    "another policy": (lambda: Backward("upgrad", tasks=TASKS, unsolved="zero"), "unsolved"),  # type: ignore[arg-type]
    "a third policy": (lambda: Backward("upgrad", tasks=TASKS, outside="ignore"), "outside"),  # type: ignore[arg-type]
    "a limit": (lambda: Backward("upgrad", tasks=TASKS, non_finite_limit=0), "non_finite_limit"),
    "shared by name": (lambda: Backward("upgrad", tasks=TASKS, shared="trunk"), "shared"),  # type: ignore[arg-type]
    "a parameter twice": (lambda: Backward("upgrad", tasks=TASKS, shared=[nn.Parameter(torch.ones(1))] * 2), "shared"),
    "a closure's batches": (lambda: Backward("modo", tasks=TASKS)(lambda _: Net().losses(), [0]), "batches"),
    "losses for a closure": (lambda: Backward("modo", tasks=TASKS)(Net().losses()), "evaluates losses more than once"),
    "no representations": (lambda: Backward("graddrop", tasks=TASKS, shared=[])(Net().losses()), "representations"),
    "a vector as Jacobian": (lambda: UPGrad().aggregate(torch.ones(3)), "jacobian"),
    "no rows": (lambda: UPGrad().aggregate(torch.ones(0, 3)), "jacobian"),
    "integers": (lambda: UPGrad().aggregate(torch.ones(2, 3, dtype=torch.long)), "jacobian"),
    "NaN in a Jacobian": (lambda: UPGrad().aggregate(torch.full((2, 3), torch.nan)), "jacobian: all numbers must be finite"),
    "a loss too few": (lambda: UPGrad().aggregate(torch.ones(2, 3), torch.ones(1)), "losses: one loss for each of 2 tasks"),
    "a list as Jacobian": (lambda: UPGrad().aggregate([[1.0]]), "jacobian"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", MISUSES)
def test_a_misuse_is_one_line(case: str) -> None:
    run, words = MISUSES[case]
    with pytest.raises(PolytaskError, match=words) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_what_pytorch_accepts_is_accepted() -> None:
    """A loss of shape (1,), a constant for a task without labels, a Jacobian with a graph."""
    net = Net()
    losses = net.losses()
    report = Backward("mgda", tasks=TASKS, shared=net.trunk)({"a": losses["a"].reshape(1), "b": torch.tensor(0.0)})
    assert list(report.losses) == ["a"]
    assert net.trunk[0].weight.grad.any()
    assert not UPGrad().aggregate(torch.eye(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("outside", ["weighted", "sum"])
def test_weights_from_a_part_of_the_shared_parameters(outside: Any) -> None:
    """The other shared parameters get the weighted sum, or the plain one."""
    net, plain = Net(), Net()
    report = Backward("mgda", tasks=TASKS, shared=net.trunk[2], outside=outside)(net.losses())
    weights = report.weights if outside == "weighted" else dict.fromkeys(TASKS, 1.0)
    total = sum((weights[task] * loss for task, loss in plain.losses().items()), start=torch.zeros(()))
    expected = torch.autograd.grad(total, plain.trunk[0].weight)[0]
    assert torch.allclose(net.trunk[0].weight.grad, expected, rtol=1e-5)


def test_graphs_can_be_kept() -> None:
    net = Net()
    backward, losses = Backward("upgrad", tasks=TASKS, shared=net.trunk), net.losses()
    backward(losses, retain_graph=True)
    first = net.trunk[0].weight.grad.clone()
    backward(losses)
    assert torch.allclose(net.trunk[0].weight.grad, 2 * first)


def test_two_calls_in_a_row_and_missing_tasks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    net = Net()
    backward = Backward("upgrad", tasks=(*TASKS, "c"), shared=net.trunk)
    with caplog.at_level(logging.WARNING, logger="polytask"):
        for _ in range(100):
            net.zero_grad()
            backward(net.losses())
    assert "No loss of 'c' in the first 100 steps" in caplog.text
    assert "twice" not in caplog.text
    with caplog.at_level(logging.WARNING, logger="polytask"):
        backward(net.losses())
    assert caplog.text.count("pass counts=") == 1


def test_the_state_survives_torch_save(tmp_path: Any) -> None:
    net = Net()
    backward = Backward("smooth-weights:uncertainty", tasks=TASKS, shared=net.trunk)
    backward(net.losses())
    torch.save(backward.state_dict(), tmp_path / "state.pt")  # noqa: TID251 - what loops of users call
    other = Backward("smooth-weights:uncertainty", tasks=TASKS, shared=net.trunk)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))  # noqa: TID251
    assert other.state_dict() == backward.state_dict()


def test_unsolved_steps_follow_the_policy() -> None:
    """Directly opposed gradients: Nash-MTL has no solution."""
    steps = {}
    for policy in ("skip", "sum", "last"):
        parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
        backward = Backward("nash-mtl", tasks=TASKS, shared=[parameter], unsolved=policy)
        report = backward({"a": parameter.sum(), "b": -3 * parameter.sum()})
        assert not report.solved
        assert backward.unsolved_steps == 1
        steps[policy] = None if parameter.grad is None else parameter.grad.tolist()
    assert steps == {"skip": None, "sum": [-2.0, -2.0], "last": [-2.0, -2.0]}
    with pytest.raises(ConfigError):
        pt.Backward("nash-mtl", tasks=TASKS, unsolved="no")  # type: ignore[arg-type]
