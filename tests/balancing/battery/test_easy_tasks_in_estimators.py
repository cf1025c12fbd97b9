"""A task that is learned well beside a hard one, through the estimator: 60 epochs with every balancer that it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.estimators import MultiTaskEstimator
from polytask.gradients import Backward

TASKS = ("t0", "t1")
ROWS, EPOCHS = 512, 60


def table() -> tuple[np.ndarray, pd.DataFrame]:
    """Inputs (N, 3), the sign of the first column, which has a gap around 0, and sin(b) · c of the others."""
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    x[:, 0] += np.sign(x[:, 0])
    return x, pd.DataFrame({"t0": np.where(x[:, 0] > 0, "yes", "no"), "t1": np.sin(x[:, 1]) * x[:, 2]})


def fitted_r2(row: Any) -> float:
    """R² of the hard task on the rows of the table."""
    x, y = table()
    made = "rotograd" if row.spelled == "rotograd" else row.make(TASKS)
    estimator = MultiTaskEstimator(
        {"t0": "binary", "t1": "regression"},
        balancer=made,
        architecture="rotated" if row.spelled == "rotograd" else "hard",
        encoder="mlp",
        encoder_options={"hidden": (64, 32)},
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=256,
        learning_rate=0.02,
        random_state=0,
    ).fit(x, y)
    found = estimator.predict(x)["t1"].to_numpy(float)
    assert estimator.n_iter_ == EPOCHS
    return 1.0 - float(np.square(found - y["t1"]).mean() / y["t1"].var(ddof=0))


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether a shared parameter had a gradient other than 0, for every step."""
    steps: list[bool] = []
    original = Backward.after_step

    def noting(backward: Backward) -> None:
        gradients = [parameter.grad for parameter in backward.model.shared_parameters().values()]  # type: ignore[union-attr, operator]
        steps.append(any(gradient is not None and bool(gradient.any()) for gradient in gradients))
        original(backward)

    monkeypatch.setattr(Backward, "after_step", noting)
    yield steps


@pytest.fixture(scope="module")
def reference(rows: Any) -> float:
    """R² of the hard task with the plain sum."""
    return fitted_r2(next(row for row in rows if row.spelled == "equal"))


@pytest.mark.sampled(48, sweep=3)
def test_the_hard_task_is_learned_beside_an_easy_one(
    balancer_row: Any, reference: float, least: Callable[..., float], moved: list[bool]
) -> None:
    moved.clear()
    found = fitted_r2(balancer_row)
    assert reference > 0.97
    assert len(moved) >= EPOCHS
    assert moved.count(False) <= len(moved) // 100
    assert math.isfinite(found)
    assert found >= least(balancer_row, reference, "estimator")
