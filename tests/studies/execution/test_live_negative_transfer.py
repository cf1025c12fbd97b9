"""Who falls behind, for the eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polytask.studies import Study, StudyProgress
from polytask.studies.execution.job_training import Job
from polytask.studies.execution.live_negative_transfer import NegativeTransferMonitor
from polytask.studies.spec.arms import parse_arm
from polytask.tasks import Binary, Regression
from polytask.training import TrainingProgress

TASKS = (Binary(name="a"), Regression(name="b"))
NAMES = ["a", "b"]


def jobs(tmp_path: Path) -> list[Job]:
    single = [Job(parse_arm("single", NAMES), 0, (task,), tmp_path / task) for task in NAMES]
    return [*single, Job(parse_arm("equal", NAMES), 0, ("a", "b"), tmp_path / "joint")]


def told(metric: str, values: list[float]) -> dict[str, Any]:
    columns = ["epoch", "step", "task", "split", "name", "value"]
    return {"history": {"columns": columns, "data": [[n, n, "", "validation", metric, value] for n, value in enumerate(values, 1)]}}


def test_a_task_that_is_behind_is_named_with_who_opposes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, joint = every = jobs(tmp_path)
    curves = {"a": told("accuracy", [0.5, 0.8]), "b": told("rmse", [2.0, 1.0])}
    monkeypatch.setattr(Job, "finished", property(lambda job: job.tasks != ("b",)))
    monkeypatch.setattr("polytask.studies.execution.live_negative_transfer.load_job_facts", lambda job: curves[job.tasks[0]])
    falling = NegativeTransferMonitor(every, TASKS)
    late = TrainingProgress(3, 10, 0, 5, metrics={"a": 0.7, "b": 9.0}, opposed={"a": "b"})
    assert list(falling.warnings(joint, late)) == [
        "a is 0.1 behind its single-task twin; the gradients of b oppose it"
    ]  # b's twin is not there yet
    monkeypatch.setattr(Job, "finished", property(lambda job: True))
    assert list(falling.warnings(joint, late))[1] == "b is 8 behind its single-task twin"
    assert list(falling.warnings(joint, TrainingProgress(2, 10, 0, 5, metrics={"a": 0.5, "b": 1.9}))) == []
    assert list(falling.warnings(joint, TrainingProgress(1, 10, 3, 5))) == []
    assert list(falling.warnings(every[0], late)) == []


@pytest.mark.slow
def test_it_changes_nothing_that_a_study_keeps(make: Callable[..., Study], tmp_path: Path) -> None:
    seen: list[StudyProgress] = []
    make(arms=["single", "equal"]).run(tmp_path / "watched", seen.append)
    make(arms=["single", "equal"]).run(tmp_path / "not")
    assert (tmp_path / "watched" / "verdict.json").read_bytes() == (tmp_path / "not" / "verdict.json").read_bytes()
    assert seen[-1].stage == "testing"
