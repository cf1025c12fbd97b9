"""RotoGrad: in a network, against its equations written down one by one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polytask import fit
from polytask.architectures import MultiTaskModel
from polytask.balancing import FeatureRotations, RotoGrad, statistic_from_jacobian
from polytask.data import Source
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.gradients import Backward
from polytask.tasks import Regression

TASKS = ("a", "b", "c")


class Case:
    """A network whose rotations have been turned, and a batch."""

    def __init__(self, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = MultiTaskModel(
            MLP((4,), hidden=(6,)), [Regression(name=task) for task in TASKS], architecture="rotated", hidden=(), initialization="framework"
        ).double()
        self.rotations: FeatureRotations = self.model.architecture.rotations  # type: ignore[assignment]
        for number, task in enumerate(TASKS):
            self.rotations.turn(task, torch.randn(6, 6, generator=torch.Generator().manual_seed(number), dtype=torch.float64) * 0.3)
        self.balancer = RotoGrad(**options)
        self.backward = Backward(self.balancer, tasks=TASKS, shared=self.model.shared_parameters(), model=self.model)
        self.x = torch.randn(7, 4, dtype=torch.float64)
        self.targets = torch.randn(3, 7, 1, dtype=torch.float64)

    def losses(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = self.model.outputs(features)
        return {task: (outputs[task] - target).square().mean() for task, target in zip(TASKS, self.targets, strict=True)}

    def step(self) -> list[Tensor]:
        self.model.zero_grad()
        features = self.model.architecture(self.x, TASKS)
        self.backward(self.losses(features), features=list(features.values()))
        return [parameter.grad.clone() for parameter in self.model.shared_parameters().values() if parameter.grad is not None]

    def at_representation(self) -> tuple[Tensor, Tensor, Tensor]:
        """z, and per task the gradient there and after its rotation."""
        z = self.model.architecture.hard.encoder(self.x)  # type: ignore[union-attr, operator]
        turned = {task: self.rotations(task, z) for task in TASKS}
        losses = self.losses(turned)
        after = torch.stack([torch.autograd.grad(losses[task], turned[task], retain_graph=True)[0] for task in TASKS])
        before = torch.stack([torch.autograd.grad(losses[task], z, retain_graph=True)[0] for task in TASKS])
        return z, before, after


def test_the_trunk_gets_what_the_paper_says() -> None:
    case = Case()
    z, before, _ = case.at_representation()
    norms = before.flatten(1).norm(dim=1)
    pull = norms.mean() * (before / norms[:, None, None]).sum(0)  # α is 1/T at the first step
    expected = torch.autograd.grad(z, list(case.model.shared_parameters().values()), pull)
    for found, wanted in zip(case.step(), expected, strict=True):
        assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-14)


def test_tasks_that_lag_pull_harder() -> None:
    """C = Σ α_t ‖G_t‖ with α from the first lengths, which are taken again after the burn-in."""
    balancer = RotoGrad(burn_in=2)
    balancer.bind(FeatureRotations(["0", "1"], size=2))
    unit = torch.eye(2, dtype=torch.float64)
    first = balancer.aggregate(unit * torch.tensor([[1.0], [3.0]]))
    assert torch.allclose(first, torch.full((2,), 2.0, dtype=torch.float64), atol=1e-3)
    second = balancer.aggregate(unit * torch.tensor([[1.0], [1.5]]))  # ratios 1 and ½
    assert torch.allclose(second, torch.full((2,), (2 * 1.0 + 1.5) / 3, dtype=torch.float64), atol=1e-3)
    third = balancer.aggregate(unit * torch.tensor([[2.0], [2.0]]))
    assert torch.allclose(third, torch.full((2,), 2.0, dtype=torch.float64), atol=1e-3)


def test_rotations_descend_along_their_loss() -> None:
    """The first step of Adam is the sign of the gradient, here taken by autograd from the loss as the paper writes it; every entry of the
    skew-symmetric A − Aᵀ moves by the learning rate."""
    case = Case(lr=1e-3)
    _, before, after = case.at_representation()
    mean = before.mean(0).norm()
    target = (mean * before / before.flatten(1).norm(dim=1)[:, None, None]).mean(0)
    generators = {task: case.rotations.generator(task).double().requires_grad_() for task in TASKS}
    for number, task in enumerate(TASKS):
        matrix = torch.linalg.matrix_exp(generators[task] - generators[task].T)
        (target @ matrix.T - after[number]).square().sum(1).mean().backward()
    kept = {task: case.rotations.generator(task).clone() for task in TASKS}
    case.step()
    for task in TASKS:
        moved = case.rotations.generator(task) - kept[task]
        moved = moved - moved.T
        slope = generators[task].grad
        assert slope is not None
        clear = slope.abs() > 1e-6
        assert torch.allclose(moved[clear], -1e-3 * slope.sign()[clear].to(moved), rtol=1e-2)


def test_directions_come_to_agree_and_rotations_stay_rotations() -> None:
    case = Case(lr=2e-2)

    def agreement() -> float:
        _, before, _ = case.at_representation()
        units = before.flatten(1) / before.flatten(1).norm(dim=1, keepdim=True)
        return float((units @ units.T).mean())

    start = agreement()
    for _ in range(200):
        case.step()
    assert agreement() > start + 0.1
    for task in TASKS:
        matrix = case.rotations.matrix(task).double()
        assert torch.allclose(matrix @ matrix.T, torch.eye(6, dtype=torch.float64), atol=1e-10)


def test_it_resumes_bit_for_bit() -> None:
    whole = Case()
    for _ in range(3):
        whole.step()
    other = Case()
    other.model.load_state_dict(deepcopy(whole.model.state_dict()))
    other.backward.load_state_dict(deepcopy(whole.backward.state_dict()))
    assert all(torch.equal(one, two) for one, two in zip(whole.step(), other.step(), strict=True))
    assert all(torch.equal(whole.rotations.matrix(task), other.rotations.matrix(task)) for task in TASKS)


def test_the_optimizer_moves_no_rotation() -> None:
    assert not any("rotations" in name for name, _ in Case().model.named_parameters())


def test_what_it_cannot_do_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"no rotations\. Choose the architecture 'rotated'"):
        Backward(RotoGrad(), tasks=("a",), model=torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="no network is known"):
        RotoGrad().weigh(statistic_from_jacobian(torch.eye(2)))
    sources = [Source(name, np.random.default_rng(0).normal(size=(60, 4)).astype("float32"), {name: np.arange(60.0)}) for name in "ab"]
    model = MultiTaskModel(MLP((4,), hidden=(6,)), [Regression(name=name) for name in "ab"], architecture="rotated")
    with pytest.raises(ConfigError, match="all tasks must have the same rows"):
        fit(model, sources, "rotograd", epochs=1, batch_sizes={"a": 20, "b": 10}, threads=1, precision="float32")
