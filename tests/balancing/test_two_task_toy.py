"""The two-task toy problem of the papers, as the example runs it: the long runs are in `benchmarks/toy_pareto_front.py`."""

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


@pytest.fixture(scope="module")
def ways() -> dict[tuple[str, int], torch.Tensor]:
    """The paths that the example draws."""
    found: dict[tuple[str, int], torch.Tensor] = TOY.descend_all(steps=1_000, lr=0.035)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", REACHING)
def test_it_arrives_at_the_front_and_stays(method: str, ways: dict[tuple[str, int], torch.Tensor]) -> None:
    """With a constant learning rate, a point on the way along the front may lie a little beside it."""
    for number in range(len(TOY.STARTS)):
        last = [TOY.has_arrived(point) for point in ways[method, number][-10:]]
        assert last[-1]
        assert sum(last) >= len(last) - 1


@pytest.mark.slow
def test_the_plain_sum_is_caught_in_the_valley_of_the_larger_loss(ways: dict[tuple[str, int], torch.Tensor]) -> None:
    assert not TOY.has_arrived(ways["equal", TOY.STARTS.index((9.0, 9.0))][-1])


def test_the_picture_is_a_chart_per_method() -> None:
    ways = {key: way for key, way in TOY.descend_all(steps=3, lr=0.035, every=1).items() if key[0] in ("equal", "mgda")}
    spec = TOY.picture(ways)
    assert [chart["title"] for chart in spec["concat"]] == ["equal", "mgda"]
    assert len(spec["concat"][0]["layer"][1]["data"]["values"]) == 4 * len(TOY.STARTS)
