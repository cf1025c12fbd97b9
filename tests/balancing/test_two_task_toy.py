"""The two-task toy problem of the papers, for 2,000 steps: the long runs are in `benchmarks/toy_pareto_front.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

REACHING = ("famo(min_losses={first: -2.1, second: -21}, gamma=0)", "mgda", "imtl-g", "nash-mtl")


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("two_task_toy", Path(__file__).parents[2] / "examples" / "two_task_toy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["two_task_toy"] = module
    spec.loader.exec_module(module)
    return module


TOY = _example()


def test_the_optimum_of_the_average_is_where_the_papers_have_it() -> None:
    x = torch.tensor([0.0, -8.3552], dtype=torch.float64, requires_grad=True)
    losses = TOY.losses_at(x, 1.0)
    assert [round(float(loss.detach()), 3) for loss in losses.values()] == [-15.092, -15.092]
    (slope,) = torch.autograd.grad(losses["first"] + losses["second"], x)
    assert float(slope.norm()) < 1e-3


def test_the_origin_is_no_trap() -> None:
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for loss in TOY.losses_at(x).values():
        assert float(torch.autograd.grad(loss, x, retain_graph=True)[0].norm()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", REACHING)
def test_it_arrives_at_the_front_and_stays(method: str) -> None:
    way = TOY.descend(method, (5.0, -7.2), steps=2000)
    assert TOY.has_arrived(way[-1])
    assert TOY.has_arrived(way[-3])


@pytest.mark.slow
@pytest.mark.parametrize("method", REACHING)
def test_it_leaves_the_ridge_where_the_plain_sum_is_caught(method: str) -> None:
    """From (9, −1): the larger loss alone pulls along the ridge x₂ = 0."""
    assert float(TOY.descend(method, (9.0, -1.0), steps=2000)[-1][1]) < -1.9


@pytest.mark.slow
def test_the_plain_sum_is_caught_there() -> None:
    way = TOY.descend("equal", (9.0, -1.0), steps=2000)
    assert abs(float(way[-1][1])) < 0.1


def test_the_picture_is_a_chart_per_method() -> None:
    ways = {("mgda", 0): TOY.descend("mgda", (5.0, -7.2), steps=20), ("equal", 0): TOY.descend("equal", (5.0, -7.2), steps=20)}
    spec = TOY.picture(ways)
    assert [chart["title"] for chart in spec["concat"]] == ["mgda", "equal"]
    assert len(spec["concat"][0]["layer"][1]["data"]["values"]) == 2
