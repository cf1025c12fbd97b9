"""How often a step waits for the device: once, with a reason for every exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from stand_in import StandInDevice
from test_every_component import BALANCERS, WRAPPED
from torch import Tensor, nn

from polytask.errors import NonFiniteError
from polytask.gradients import Backward
from polytask.gradients.primitives import read_together
from polytask.training.loop.epoch_totals import history_values
from polytask.training.loop.training_loop import TrainingLoop

LOSSES_FIRST = "weights follow from the losses of this step, and the gradients that are checked follow from the weights"
EXCEPTIONS = {
    **dict.fromkeys(("gls", "scale-invariant", "stch", "smooth-tchebycheff", "uw-so", "igb"), (2, LOSSES_FIRST)),
    **dict.fromkeys(("go4align", "groupdro", "cosmos", "pbi"), (2, LOSSES_FIRST)),
    "famo": (3, f"{LOSSES_FIRST}; the losses after the optimizer's step are read too"),
    "modo": (2, "weights follow from products of two batches, and the gradients of a third one are checked"),
    "sdmgrad": (2, "weights follow from products of two batches, and the gradients of a third one are checked"),
    "moml": (2, "weights follow from products of two batches, and the gradients that follow from them are checked"),
    "db-mtl": (2, "rows are divided by the losses before they are tracked and measured"),
    "momentum-conflict-free": (2, "which tasks have a gradient decides about the products that are read"),
    "rotograd": (3, "lengths of gradients lead to a common gradient, whose length leads to the rotations; gradients are checked"),
    "auto-lambda": (4, "the length of a slope leads to two looks ahead; gradients are checked"),
    "forum": (5, "losses before and after inner steps, lengths, products of unit rows; gradients are checked"),
}
"""Balancers that need several rounds, each of which depends on numbers of the one before: the largest number of waits, and the reason."""
STEPS = 3


@pytest.mark.sampled(3, drawn=True)
@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_step_waits_once(stand_in: StandInDevice, loop_on: Callable[..., TrainingLoop], balancer: str) -> None:
    loop = loop_on("meta", balancer, WRAPPED.get(balancer, "hard"))
    steps = (batches for _ in range(4) for batches in loop.epoch_batches())
    waits = []
    for batches in (next(steps) for _ in range(2 * STEPS)):
        stand_in.waits.clear()
        history_values(loop.step(batches))
        waits.append(stand_in.waits.total())
    # The first steps find out what is shared, and measure what is measured once.
    assert max(waits[STEPS:]) <= EXCEPTIONS.get(balancer, (1, ""))[0], (waits, stand_in.waits)


def test_the_table_of_the_documentation_is_that_of_this_file() -> None:
    page = (Path(__file__).parents[2] / "docs/devices.md").read_text(encoding="utf-8")
    for balancer, (waits, _) in EXCEPTIONS.items():
        (row,) = (line for line in page.splitlines() if line.startswith("|") and f"`{balancer}`" in line and line.count("|") == 4)
        assert row.split("|")[2].strip() == str(waits), row


def _backward(balancer: str, policy: str, device: str) -> tuple[Backward, nn.Linear, dict[str, nn.Linear]]:
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4).to(device), {task: nn.Linear(4, 1).to(device) for task in "abc"}
    model = nn.ModuleDict({"trunk": trunk, **heads})
    return Backward(balancer, tasks=tuple("abc"), shared=trunk, model=model, non_finite=policy), trunk, heads


def _step(backward: Backward, trunk: nn.Linear, heads: dict[str, nn.Linear], device: str, *, bad: str = "", at: str = "loss") -> Any:
    inputs = torch.linspace(-1.0, 1.0, 15).reshape(5, 3).to(device)
    features = trunk(inputs)
    losses: dict[str, Tensor] = {task: head(features).square().mean() for task, head in heads.items()}
    if bad and at == "loss":
        losses[bad] = losses[bad] * float("inf")
    elif bad:
        losses[bad] = (losses[bad] - losses[bad].detach()).abs().sqrt() + losses[bad]
    return backward(losses, features=features, retain_graph=True)


@pytest.mark.parametrize("at", ["loss", "gradient"])
@pytest.mark.parametrize(
    "balancer", ["equal", "uncertainty", "gradnorm", "moco", "excess-mtl", "graddrop", "graddrop(at=parameters)", "cagrad"]
)
def test_a_step_that_is_taken_back_leaves_nothing_behind(stand_in: StandInDevice, balancer: str, at: str) -> None:
    for policy in ("raise", "skip", "drop"):
        outcomes = []
        for device in ("cpu", "meta"):
            parts = _backward(balancer, policy, device)
            _step(*parts, device)
            parts[1].zero_grad()
            if policy == "raise":
                with pytest.raises(NonFiniteError, match="'b'"):
                    _step(*parts, device, bad="b", at=at)
                assert parts[1].weight.grad is None
            else:
                report = _step(*parts, device, bad="b", at=at)
                assert report.dropped == ("b",), report
            report = _step(*parts, device)
            assert parts[1].weight.grad is not None
            state = parts[0].state_dict()["balancer"]
            outcomes.append(
                (parts[1].weight.grad.cpu(), {name: float(loss) for name, loss in report.losses.items()}, report.weights, state)
            )
        (here, losses, weights, _), (there, *others, _) = outcomes
        torch.testing.assert_close(here, there)
        assert [pytest.approx(losses), pytest.approx(weights)] == others


def test_a_copy_of_each_tensor_would_be_counted(stand_in: StandInDevice) -> None:
    tensors = [torch.ones(3).to("meta", non_blocking=True) for _ in range(4)]
    assert [one.tolist() for one in read_together.read_together(tensors)] == [[1.0] * 3] * 4
    assert stand_in.waits.total() == 1
    assert [float(one.sum()) for one in tensors] == [3.0] * 4
    assert stand_in.waits.total() == 5
