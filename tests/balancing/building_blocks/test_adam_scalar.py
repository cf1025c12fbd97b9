"""Adam on a single number, against PyTorch's."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.balancing.building_blocks.adam_scalar import AdamScalar


@pytest.mark.parametrize("seed", range(5))
def test_it_is_pytorchs_adam(seed: int) -> None:
    """50 steps along random slopes of very different size, some of them exactly 0."""
    random = torch.Generator().manual_seed(seed)
    slopes = torch.randn(50, generator=random, dtype=torch.float64) * 10 ** torch.randint(-6, 6, (50,), generator=random)
    slopes[torch.rand(50, generator=random) < 0.1] = 0.0
    theirs = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=0.02)
    ours = AdamScalar(0.3)
    for slope in slopes:
        theirs.grad = slope.clone()
        adam.step()
        ours = ours.stepped(slope.item(), lr=0.02)
        assert ours.value == pytest.approx(theirs.item(), rel=1e-12)
    state = adam.state[theirs]
    assert ours.first == pytest.approx(state["exp_avg"].item(), rel=1e-12)
    assert ours.second == pytest.approx(state["exp_avg_sq"].item(), rel=1e-12)
    assert ours.steps == int(state["step"]) == 50


@given(st.floats(-1e12, 1e12), st.floats(1e-4, 1.0))
def test_the_first_step_is_the_learning_rate_against_the_slope(slope: float, lr: float) -> None:
    moved = AdamScalar(0.0).stepped(slope, lr).value
    assert moved == pytest.approx(-lr * slope / (abs(slope) + 1e-8), abs=1e-15, rel=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_the_mirrored_slopes_mirror_the_number(slopes: list[float]) -> None:
    there, back = AdamScalar(0.0), AdamScalar(0.0)
    for slope in slopes:
        there, back = there.stepped(slope, 0.1), back.stepped(-slope, 0.1)
    assert there.value == -back.value
    assert math.isfinite(there.value)


def test_it_is_the_same_after_plain_data() -> None:
    scalar = AdamScalar(1.0).stepped(0.3, 0.1).stepped(-2.0, 0.1)
    again = AdamScalar(**scalar.to_dict())
    assert again == scalar
    assert again.stepped(0.7, 0.1) == scalar.stepped(0.7, 0.1)
