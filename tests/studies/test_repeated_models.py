"""Model folders: a repeat of the same call gives the same bytes in every file, and folders of older versions are still read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polytask as pt
from polytask.run_files import CostFile
from polytask.storage import load_state, save_state
from polytask.studies.execution.job_training import load_job_facts, make_jobs, train_job
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.setup.run_folder import FinishedRunError, RunFolder
from polytask.studies.spec.arms import parse_arm
from polytask.studies.stored_facts import MEASURED_FILE, store_measured

FEW: dict[str, Any] = {"epochs": 2, "threads": 1, "callbacks": ["affinity"]}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def table() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(150, 2))
    return {"a": x[:, 0], "town": np.where(x[:, 1] > 0, "Oslo", "Rome"), "sum": x.sum(1), "first": x[:, 0] > 0}


def images() -> list[pt.Source]:
    drawn = np.random.default_rng(0)
    labels = {"left": drawn.integers(0, 2, 60), "right": drawn.integers(0, 2, 60)}
    return [pt.Source("pictures", drawn.integers(0, 256, (60, 1, 16, 16), dtype=np.uint8), labels)]


@pytest.mark.parametrize("model", [None, pytest.param("auto", marks=pytest.mark.slow)])
def test_a_training_on_a_table_is_repeated_to_the_same_model(tmp_path: Path, model: str | None) -> None:
    for name in ("one", "two"):
        pt.train(table(), targets=["sum", "first"], out=tmp_path / name, **({"model": model} if model else FEW))
    assert digests(tmp_path / "one" / "model") == digests(tmp_path / "two" / "model")


def test_a_training_on_images_is_repeated_to_the_same_model(tmp_path: Path) -> None:
    tasks = tuple(pt.tasks.Binary(name=name, classes=(0, 1)) for name in ("left", "right"))
    for name in ("one", "two"):
        pt.train(images(), tasks, out=tmp_path / name, **FEW)
    assert digests(tmp_path / "one" / "model") == digests(tmp_path / "two" / "model")
    assert CostFile.read(tmp_path / "one" / "cost.json").arms["equal"].seconds > 0


def test_facts_are_put_together_again_also_those_of_older_versions(
    make: Callable[..., Any], three_tasks: tuple[pt.tasks.Task, ...], table: Callable[..., pt.Source], tmp_path: Path
) -> None:
    (job,) = make_jobs([parse_arm("equal", [task.name for task in three_tasks])], [0], tmp_path)
    train_job(job, make_job_context(make().config, [table()], three_tasks))
    facts, state = load_job_facts(job), load_state(job.result)
    assert facts["measured"]["seconds"] > 0
    assert not state["facts"].keys() & {"measured", "observed", "callbacks"}
    assert store_measured(job.folder, facts) == state["facts"]
    (job.folder / MEASURED_FILE).unlink()
    with pytest.raises(pt.errors.DataError, match=r"facts, measured: field required"):
        load_job_facts(job)
    save_state(job.result, {**state, "facts": facts})
    assert load_job_facts(job) == facts


def test_a_training_that_was_killed_after_its_last_result_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*given: object) -> None:
        if "run started" not in given:
            raise KeyboardInterrupt

    pt.train(table(), targets=["sum", "first"], out=tmp_path / "whole", **FEW)
    for name in ("log", "delete_checkpoints"):
        with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
            context.setattr(RunFolder, name, killed)
            pt.train(table(), targets=["sum", "first"], out=tmp_path / name, **FEW)
        assert not RunFolder(tmp_path / name).finished
        pt.train(table(), targets=["sum", "first"], out=tmp_path / name, **FEW)
        assert {path.name for path in (tmp_path / name).iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
        assert digests(tmp_path / name / "model") == digests(tmp_path / "whole" / "model")
        assert "run finished" in (tmp_path / name / "log.txt").read_text()
        with pytest.raises(FinishedRunError, match="holds a finished run"):
            pt.train(table(), targets=["sum", "first"], out=tmp_path / name, **FEW)
