"""Any of PyTorch's optimizers and schedules."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from polytask.options import make_training_options
from polytask.training.optimization.optimizers import make_optimizer, make_scheduler, step_scheduler

OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if inspect.isclass(kind) and issubclass(kind, Optimizer) and kind is not Optimizer and name not in ("LBFGS", "SparseAdam")
)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps(name: str) -> None:
    layer = nn.Linear(3, 2, bias=False)
    before = layer.weight.detach().clone()
    optimizer = make_optimizer(list(layer.parameters()), make_training_options(optimizer=name.lower(), lr=0.1))
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert type(optimizer).__name__ == name
    assert not torch.equal(before, layer.weight)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "SGD with momentum", "RMSprop with momentum"])
def test_a_parameter_may_have_its_first_gradient_later(name: str) -> None:
    kind, _, momentum = name.partition(" with ")
    weights = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    options = {momentum: 0.9} if momentum else {}
    optimizer = make_optimizer(weights, make_training_options(optimizer=kind, lr=0.1, optimizer_options=options))
    weights[1].grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.equal(weights[0], torch.ones(2, 2))
    weights[0].grad = torch.ones(2, 2)
    optimizer.step()
    assert not torch.equal(weights[0], torch.ones(2, 2))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 1, "gamma": 0.5}),
        ("CosineAnnealingLR", {"T_max": 4}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 8}),
        ("ReduceLROnPlateau", {"patience": 0, "factor": 0.5}),
    ],
)
def test_schedules_move_the_learning_rate(name: str, options: dict[str, Any]) -> None:
    layer = nn.Linear(1, 1)
    chosen = make_training_options(optimizer="SGD", lr=0.1, scheduler=name, scheduler_options=options)
    optimizer = make_optimizer(list(layer.parameters()), chosen)
    schedule = make_scheduler(optimizer, chosen)
    rates = []
    for mean in (0.5, 0.5, 0.5):  # a mean that has stopped rising
        optimizer.step()
        step_scheduler(schedule, mean)
        rates.append(optimizer.param_groups[0]["lr"])
    assert len(set(rates)) > 1
