"""Joint networks beside their twins: leads by hand, and who is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from polytask.studies import Study, StudyResult
from polytask.studies.results.negative_transfer import LEAD_NAME, add_leads, summarize_transfer
from polytask.tasks import Binary, Regression

TASKS = (Binary(name="a"), Regression(name="b"))
METRIC = {"a": "accuracy", "b": "rmse"}


def curve(arm: str, task: str, values: Sequence[float], seed: int = 0) -> pd.DataFrame:
    rows = [(arm, seed, epoch, 10 * epoch, task, "validation", METRIC[task], value) for epoch, value in enumerate(values, start=1)]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "step", "task", "split", "name", "value"])


def lead_of(history: pd.DataFrame, task: str, seed: int = 0) -> list[float]:
    rows = history[(history["name"] == LEAD_NAME) & (history["task"] == task) & (history["seed"] == seed)]
    return list(rows.sort_values("epoch")["value"])


def test_leads_are_differences_of_the_best_until_then() -> None:
    history = pd.concat(
        [
            curve("single", "a", [0.5, 0.7, 0.6]),
            curve("single", "b", [4.0, 3.0]),
            curve("equal", "a", [0.6, 0.6, 0.9, 0.8]),
            curve("equal", "b", [5.0, 2.5, 2.0, 9.0]),
        ]
    )
    found = add_leads(history, TASKS)
    assert lead_of(found, "a") == pytest.approx([0.1, -0.1, 0.2, 0.2])
    assert lead_of(found, "b") == pytest.approx([-1.0, 0.5, 1.0, 1.0])  # an error: less is better; the twin keeps its 3
    assert len(found) == len(history) + 8
    assert set(found.columns) == set(history.columns)


def test_a_task_that_is_behind_in_all_seeds_is_named_with_who_opposes_it() -> None:
    parts = []
    for seed, end in enumerate((0.60, 0.61, 0.59, 0.62, 0.60)):
        parts += [curve("single", "a", [0.7], seed), curve("single", "b", [3.0], seed)]
        parts += [curve("equal", "a", [end], seed), curve("equal", "b", [3.0 + 0.1 * (seed - 2)], seed)]
    cosines = curve("equal", "a", [-0.2, -0.4]).assign(name="cosine with b", split="training")
    found = summarize_transfer(add_leads(pd.concat([*parts, cosines]), TASKS))["equal"]
    assert found["a"].behind
    assert found["a"].lead == pytest.approx(-0.096)
    assert found["a"].seeds_behind == 5
    assert found["a"].opposed_by == pytest.approx({"b": -0.3})
    assert not found["b"].behind
    assert found["b"].opposed_by == pytest.approx({"a": -0.3})
    assert found["b"].lead == pytest.approx(0.0, abs=1e-12)


def test_a_single_seed_names_nobody_and_no_twin_means_no_lead() -> None:
    history = pd.concat([curve("single", "a", [0.7]), curve("equal", "a", [0.1])])
    assert not summarize_transfer(add_leads(history, TASKS[:1]))["equal"]["a"].behind
    alone = curve("equal", "a", [0.1])
    assert add_leads(alone, TASKS[:1]).equals(alone)


def test_a_study_keeps_leads_in_its_history_and_says_who_falls_behind(whole: StudyResult) -> None:
    history = pd.read_csv(whole.folder / "history.csv")
    leads = history[history["name"] == LEAD_NAME]
    joint = set(whole.predictions["arm"]) - {"single"}
    assert set(leads["arm"]) == joint
    assert set(leads["task"]) == {"price", "churn", "plan"}
    transfer = whole.summary["transfer"]
    assert set(transfer) == joint
    assert set(transfer["uncertainty"]["price"]) == {"lead", "seeds_behind", "behind", "opposed_by"}


@pytest.mark.slow
def test_cosines_are_looked_at_with_any_balancer(make: Callable[..., Study], tmp_path: Path) -> None:
    make(arms=["single", "equal"], training={"epochs": 12, "threads": 1, "batch_size": 8}).run(tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    seen = history[history["name"].str.startswith("cosine with ")]
    assert set(seen["split"]) == {"observed"}
    assert set(seen["arm"]) == {"equal"}
    assert seen["value"].between(-1, 1).all()
