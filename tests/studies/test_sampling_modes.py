"""A study of two sources that are sampled in one of several ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polytask.data import Source
from polytask.studies import Study
from polytask.tasks import Regression, Task


@pytest.mark.sampled(3)
@pytest.mark.parametrize("sampling", ["temperature", "round-robin"])
def test_arms_are_sampled_as_the_options_say(
    table: Callable[..., Source], three_tasks: tuple[Task, ...], tmp_path: Path, sampling: str
) -> None:
    random = np.random.default_rng(5)
    beside, other = (
        Source("beside", random.normal(size=(35, 4)).astype("float32"), {"size": random.normal(size=35)}) for _ in ("training", "test")
    )
    training = {"epochs": 1, "threads": 1, "sampling": sampling, "batch_size": 16}
    tasks = (*three_tasks, Regression(name="size"))
    study = Study(
        [table(), beside], tasks, ["single", "equal"], 2, test=lambda: (table(rows=40, seed=1), other), workers=1, training=training
    )
    result = study.run(tmp_path / "run")
    assert set(result.verdict.tasks) == {"price", "churn", "plan", "size"}
    assert f"sampling: {sampling}" in (tmp_path / "run" / "run.yaml").read_text(encoding="utf-8")
