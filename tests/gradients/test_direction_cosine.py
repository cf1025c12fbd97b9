"""The cosine of the direction with the mean gradient, against the gradients themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.gradients import Report

TASKS = ("a", "b", "c")


class Loop:
    """A trunk with three heads, and a step of `Backward` on it."""

    def __init__(self, balancer: str) -> None:
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5)).double()
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1).double() for task in TASKS})
        self.backward = pt.Backward(balancer, tasks=TASKS, shared=self.trunk)

    def step(self, tasks: tuple[str, ...] = TASKS) -> tuple[Report, float]:
        """Return the report of a step, and the cosine of `.grad` with the mean of the tasks' gradients."""
        features = self.trunk(torch.randn(16, 4, dtype=torch.float64))
        losses = {task: (self.heads[task](features) - torch.randn(1)).square().mean() for task in tasks}
        shared = list(self.trunk.parameters())
        rows = [flat(torch.autograd.grad(loss, shared, retain_graph=True)) for loss in losses.values()]
        self.trunk.zero_grad()
        report = self.backward(losses)
        direction, mean = flat([p.grad for p in shared if p.grad is not None]), torch.stack(rows).mean(0)
        return report, float(torch.cosine_similarity(direction, mean, dim=0, eps=0.0))


def flat(gradients: object) -> Tensor:
    """One vector."""
    return torch.cat([gradient.flatten() for gradient in gradients])  # type: ignore[attr-defined]


@pytest.mark.parametrize("balancer", ["upgrad", "mgda", "preference(preference={a: 2, b: 1, c: 1}):cagrad", "log:imtl-g"])
@pytest.mark.parametrize("tasks", [TASKS, ("a", "c")], ids=["all", "one absent"])
def test_it_follows_from_the_gramian(balancer: str, tasks: tuple[str, ...]) -> None:
    loop = Loop(balancer)
    loop.step()
    report, direct = loop.step(tasks)
    assert report.cosine == pytest.approx(direct, abs=1e-9)


@pytest.mark.parametrize("balancer", ["per-group:pcgrad", "gradvac(groups=layer)", "moco", "graddrop(at=parameters)"])
def test_it_follows_from_weights_of_groups_and_from_the_jacobian(balancer: str) -> None:
    loop = Loop(balancer)
    for _ in range(3):
        report, direct = loop.step()
        assert report.cosine == pytest.approx(direct, abs=1e-9)


def test_rows_that_the_next_step_has_overwritten_are_not_used() -> None:
    loop = Loop("moco")
    (unread, _), (read, direct) = loop.step(), loop.step()
    assert unread.cosine is None
    assert read.cosine == pytest.approx(direct, abs=1e-9)
    loop.step()
    assert read.cosine == pytest.approx(direct, abs=1e-9)


@pytest.mark.parametrize("balancer", ["equal", "gls"])
def test_without_gradients_of_single_tasks_there_is_none(balancer: str) -> None:
    assert Loop(balancer).step()[0].cosine is None


def test_a_direction_of_zero_has_no_cosine() -> None:
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    backward = pt.Backward("upgrad", tasks=("a", "b"), shared=[parameter])
    report = backward({"a": parameter.sum(), "b": -parameter.sum()})
    assert report.cosine is None
    assert replace(report, alignment=None).cosine is None


def test_a_run_stores_it() -> None:
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0)).numpy()
    source = pt.Source("table", x, {"a": x[:, 0].astype(float), "b": (x[:, 1] - x[:, 0]).astype(float)})
    tasks = [pt.tasks.Regression(name=name) for name in "ab"]
    run = pt.fit(tasks, [source], "upgrad", encoder="mlp(hidden=(4,))", epochs=1, threads=1)
    stored = run.history.query("name == 'direction cosine'")
    assert set(stored.task) == {"a", "b"}
    assert stored.value.between(0, 1).all()
    assert stored.value.nunique() == 1
