"""Values that are not finite in a whole run: named with source and rows, dropped, skipped, and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.data import Source
from polytask.errors import NonFiniteError

SPOILT = 5.0


def squared(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the squared error per unit; for a spoilt label, a finite loss whose gradient is NaN."""
    values, spoilt = outputs[:, 0], targets == SPOILT
    root = torch.sqrt(torch.where(spoilt, values * 0, torch.ones_like(values)))
    return torch.where(spoilt, root, (values - targets).square())


def mean_error(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error."""
    return float(np.abs(np.ravel(true) - np.ravel(predicted)).mean())


def fitted(spoilt: tuple[int, ...], balancer: str = "upgrad", **options: Any) -> Any:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3)).astype("float32")
    b = -x[:, 0].astype("float64")
    b[list(spoilt)] = SPOILT
    tasks = [pt.tasks.Custom(name=name, loss=squared, metric=mean_error, higher_is_better=False) for name in "ab"]
    model = pt.MultiTaskModel(pt.encoders.MLP((3,), hidden=(4,)), tasks)
    source = Source("table", x, {"a": x[:, 0].astype("float64"), "b": b})
    return pt.fit(model, [source], balancer, epochs=2, batch_size=8, threads=1, validation_fraction=0.2, patience=None, **options)


@pytest.mark.parametrize("balancer", ["equal", "upgrad", "gls"])
def test_the_error_names_task_step_source_and_rows(balancer: str) -> None:
    with pytest.raises(NonFiniteError) as caught:
        fitted((3, 7), balancer)
    text = str(caught.value)
    assert text.startswith("task 'b', epoch 1, step ")
    assert ": the gradient is no longer a finite number (found task 'b', source 'table', rows " in text
    named = text.partition("rows ")[2].partition(")")[0]
    assert set(named.split(", ")) <= {"3", "7"}


@pytest.mark.parametrize("balancer", ["equal", "upgrad"])
@pytest.mark.parametrize("policy", ["drop", "skip"])
def test_steps_that_are_left_out_are_counted(policy: str, balancer: str) -> None:
    history = fitted((3, 7), balancer, non_finite=policy).history
    counted = history.query("name == 'non-finite steps' and task == 'a'")
    assert counted.value.sum() >= 2
    assert np.isfinite(history.value).all()


def test_a_limit_in_a_row_stops_the_run() -> None:
    with pytest.raises(NonFiniteError, match="task 'b', epoch 1, step 3"):
        fitted(tuple(range(40)), non_finite="drop", non_finite_limit=2)
