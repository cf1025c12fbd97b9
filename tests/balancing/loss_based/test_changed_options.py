"""Options that a loop changes during training: they count from the next step on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from polytask.balancing import DWA, FAMO, IGB, IMTLL, STCH, Balancer, Uncertainty, Weights
from polytask.balancing.matrix_to_statistic import MatrixStatistic

LOSSES = torch.tensor([[4.0, 1.0], [3.0, 0.9], [1.0, 0.8], [0.5, 0.8], [0.4, 0.7]], dtype=torch.float64)
CASES: dict[str, tuple[Callable[..., Balancer], str, float, float]] = {
    "famo": (FAMO, "lr", 0.025, 0.4),
    "uncertainty": (Uncertainty, "lr", 0.01, 0.3),
    "imtl-l": (IMTLL, "lr", 0.01, 0.3),
    "dwa": (DWA, "window", 25, 1),
    "stch": (lambda window: STCH(window=window, warm_up=1), "window", 100, 2),
    "igb": (IGB, "window", 100, 2),
}


def weights_after(balancer: Balancer) -> Tensor:
    """Return the weights after the steps of `LOSSES`."""
    steps = [MatrixStatistic(torch.zeros(2, 1), row, ("a", "b")) for row in LOSSES]
    for step, following in zip(steps, LOSSES[1:], strict=False):
        balancer.weigh(step)
        balancer.update_state(step)
        balancer.after_step(("a", "b"), step.losses, following)
    found = balancer.weigh(steps[-1])
    assert isinstance(found, Weights)
    return found.values


@pytest.mark.parametrize("case", CASES)
def test_an_option_counts_from_the_next_step_on(case: str) -> None:
    make, option, first, second = CASES[case]
    changed = make(**{option: first})
    setattr(changed, option, second)
    usual, expected = (weights_after(make(**{option: value})) for value in (first, second))
    assert torch.equal(weights_after(changed), expected)
    assert not torch.equal(expected, usual)


def test_a_learning_rate_of_zero_freezes_the_weights() -> None:
    frozen = FAMO()
    frozen.lr = 0.0
    torch.testing.assert_close(weights_after(frozen), FAMO().weigh(MatrixStatistic(torch.zeros(2, 1), LOSSES[-1], ("a", "b"))).values)
