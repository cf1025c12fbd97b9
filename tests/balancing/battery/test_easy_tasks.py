"""A task that is learned well beside a hard one: no balancer stops, and the hard task is learned as with the plain sum.

An exemption is declared in the row of a balancer, with the equation that forces it, which is tried by itself, and with a floor for the
hard task. No balancer is exempt from moving and from staying finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import Weights, answer_to_direction
from polytask.gradients import Backward

TASKS = ("t0", "t1")
STEPS, BATCH, ROWS = 500, 128, 512


def data() -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (N, 6), the sign of the first column, which has a gap around 0, and sin(2b) · c of the next two."""
    x = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(0))
    x[:, 0] += x[:, 0].sign()
    return x, (x[:, 0] > 0).float(), (torch.sin(2 * x[:, 1]) * x[:, 2])[:, None]


def trained(row: Any) -> tuple[float, int]:
    """R² of the hard task after 500 steps of Adam, and in how many steps the trunk did not move."""
    torch.manual_seed(0)
    x, easy, hard = data()
    trunk = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
    net = nn.ModuleDict({"trunk": trunk, **{task: nn.Linear(32, 1) for task in TASKS}})
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    balancer = row.make(TASKS)
    balancer.seed(0)
    backward = Backward(balancer, tasks=TASKS, shared=trunk, model=net)

    def losses(number: int) -> tuple[dict[str, Tensor], Tensor]:
        rows = torch.arange(number * BATCH, (number + 1) * BATCH) % ROWS
        z = trunk(x[rows])
        first = nn.functional.binary_cross_entropy_with_logits(net["t0"](z)[:, 0], easy[rows])
        return {"t0": first, "t1": (net["t1"](z) - hard[rows]).square().mean()}, z

    at_rest = 0
    for step in range(STEPS):
        optimizer.zero_grad()
        if backward.asks_again:
            backward(lambda number: losses(number)[0], [3 * step + part for part in range(balancer.batches)])
        else:
            found, z = losses(step)
            backward(found, features=z)
        at_rest += not any(bool(parameter.grad.any()) for parameter in trunk.parameters() if parameter.grad is not None)
        optimizer.step()
        schedule.step()
        backward.after_step()
    with torch.no_grad():
        left = (net["t1"](trunk(x)) - hard).square().mean() / hard.var(correction=0)
    return 1.0 - float(left), at_rest


@pytest.fixture(scope="module")
def reference(rows: Any) -> float:
    """R² of the hard task with the plain sum."""
    return trained(next(row for row in rows if row.spelled == "equal"))[0]


def part_of_the_hard_task(row: Any, given: Any) -> tuple[float, float, float]:
    """Of the last 250 of 500 directions: the hard task's share of the length, its part, and the easy task's part relative to its gradient.

    Loss and gradient of the easy task fall together to 1e-8, at right angles to the hard task's.
    """
    balancer, found, slope = row.make(TASKS), [], 10 ** (-8 / STEPS)
    balancer.seed(0)
    for step in range(STEPS):
        size = slope**step
        losses, matrix = torch.tensor([size, 1.0], dtype=torch.float64), torch.diag(torch.tensor([size, 1.0], dtype=torch.float64))
        statistic = replace(given(matrix, TASKS, losses), step=step)
        only = getattr(balancer.needs(), "tasks", None)
        seen = statistic if only is None else replace(statistic, matrix=matrix[[TASKS.index(task) for task in only]])
        answer = balancer.weigh(seen)
        direction = answer_to_direction(answer, statistic if isinstance(answer, Weights) else seen)
        balancer.update_state(statistic)
        if balancer.uses_after_step:
            balancer.after_step(TASKS, losses, losses * torch.tensor([slope, 1.0], dtype=torch.float64))
        found.append([float(direction[1] / direction.norm().clamp_min(1e-300)), float(direction[1]), float(direction[0]) / size])
    share, hard, easy = torch.tensor(found[STEPS // 2 :], dtype=torch.float64).mean(0).tolist()
    return share, hard, easy


@pytest.mark.sampled(4)
def test_an_exemption_follows_from_the_equation_and_no_other_method_turns_to_the_easy_task(row: Any, given: Any) -> None:
    """The direction turns to the easy task, becomes as short as its gradient, or goes against it; otherwise it is the hard task's."""
    share, hard, easy = part_of_the_hard_task(row, given)
    if row.exempt:
        assert share < 0.97 or hard < 0.1 or easy < 0.0
    else:
        assert share >= 0.97
        assert hard >= 0.1


@pytest.mark.slow
@pytest.mark.sampled(3, sweep=3)
def test_the_hard_task_is_learned_beside_an_easy_one(row: Any, reference: float, least: Callable[..., float]) -> None:
    found, at_rest = trained(row)
    assert reference > 0.9
    assert at_rest <= STEPS // 100
    assert math.isfinite(found)
    assert found >= least(row, reference, "loop")
