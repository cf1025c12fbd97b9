"""Seeds until it is clear: plans in minutes, looks, continuations, and the same bytes however a study came to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.data import Source
from polytask.errors import ConfigError, PolytaskError
from polytask.options import StudyConfig, checked
from polytask.storage import read_yaml
from polytask.studies import Study
from polytask.studies.execution.job_training import make_jobs
from polytask.studies.results import conclude_study
from polytask.studies.results.open_test_data import HeldOutResults
from polytask.studies.spec.arms import parse_arms
from polytask.studies.tuning.arm_selection import RaceResult
from polytask.tasks import Regression

FILES = ("predictions.parquet", "verdict.json", "results.csv")
TASKS = (Regression(name="sum"), Regression(name="first"))
UNCLEAR = {"sum": 1e-6, "first": 1e-6}


def table(rows: int, seed: int) -> Source:
    inputs = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    noise = np.random.default_rng(seed + 9).normal(size=(rows, 2))
    return Source("toy", inputs, {"sum": inputs.sum(1) + noise[:, 0], "first": inputs[:, 0] + noise[:, 1]})


def study(**choices: Any) -> Study:
    given: dict[str, Any] = {"training": {"epochs": 1, "threads": 1}, "workers": 1, "arms": ["single", "equal"], "margins": UNCLEAR}
    return Study([table(60, 0)], TASKS, test=lambda: (table(40, 1),), **({} if "config" in choices else given) | choices)


def stored(folder: Path, **update: Any) -> StudyConfig:
    return checked(StudyConfig, {**read_yaml(folder / "run.yaml"), **update}, where="run.yaml")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Fewer than 5 seeds fit")
def test_minutes_fix_seeds_and_looks_before_the_test_and_replay_to_the_same_bytes(tmp_path: Path) -> None:
    study(minutes=0.005).run(tmp_path / "first")
    config = stored(tmp_path / "first")
    assert config.looks[-1] == len(config.seeds)
    assert 3 <= len(config.seeds) <= 20
    log = (tmp_path / "first" / "log.txt").read_text()
    assert log.index("at most") < log.index("test data opened")
    study(config=config).run(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.slow
def test_a_continued_study_is_that_of_its_whole_plan(tmp_path: Path) -> None:
    study(seeds=2).run(tmp_path / "run")
    study(seeds=2, more_seeds=2).run(tmp_path / "run")
    found = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert (found["looks"], found["continuations"], found["test_openings"]) == ([2, 4], 1, 2)
    assert found["level"] == pytest.approx(0.05 * 0.95)
    assert found["seeds"] == [0, 1, 2, 3]
    study(config=stored(tmp_path / "run")).run(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.slow
def test_a_stopped_study_leaves_its_last_look_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choices = {"looks": (2, 3, 4)}
    study(**choices).run(tmp_path / "whole")
    train_jobs, calls = __import__("polytask.studies.run_study", fromlist=["train_jobs"]).train_jobs, [0]

    def stopped(*values: Any) -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        train_jobs(*values)

    with monkeypatch.context() as context:
        context.setattr("polytask.studies.run_study.train_jobs", stopped)
        with pytest.raises(KeyboardInterrupt):
            study(**choices).run(tmp_path / "run")
    kept = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert kept["seeds"] == [0, 1, 2]
    assert (tmp_path / "run" / "model" / "model.json").exists()
    study(**choices).run(tmp_path / "run")
    for name in FILES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_only_a_finished_study_is_continued(tmp_path: Path) -> None:
    with pytest.raises(PolytaskError, match="only a finished study"):
        study(seeds=2, more_seeds=2).run(tmp_path / "new")
    learned = {"epochs": 30, "lr": 0.01, "threads": 1}  # nothing is the same about networks that have learned nothing
    study(seeds=2, margins={"sum": 1e6, "first": 1e6}, training=learned).run(tmp_path / "clear")
    with pytest.raises(PolytaskError, match="nothing was unclear"):
        study(seeds=2, more_seeds=2, training=learned).run(tmp_path / "clear")


def test_a_dry_run_says_what_a_plan_takes_and_sees() -> None:
    found = study(looks=(5, 8)).estimate()
    assert (found.networks, found.seeds, found.looks) == (24, 8, (5, 8))
    assert "At most 24 networks (8 seeds, looks after 5, 8)" in str(found)
    assert "on top" not in str(found)
    assert study(seeds=20).estimate().visible < found.visible


def test_a_dry_run_names_what_its_time_leaves_out_and_a_time_that_is_too_short() -> None:
    found = str(study(minutes=1e-9, trials=2, race=True).estimate())
    assert "Time for tuning and the race comes on top." in found
    assert "3 are trained" in found
    assert "5 seeds would take about" in found


def test_a_time_that_is_too_short_for_five_seeds_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="3 are trained.* 5 seeds would take about"):
        study(minutes=1e-9).run(tmp_path)
    assert "5 seeds would take about" in (tmp_path / "log.txt").read_text()


def test_one_target_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to share with one target"):
        Study([table(60, 0)], TASKS[:1], test=lambda: (table(40, 1),))


def test_every_look_is_about_the_arm_that_was_chosen_at_the_first() -> None:
    arms = parse_arms(("single", "equal", "uncertainty"), ("sum", "first"))
    jobs = make_jobs(arms[1:], range(4), Path("nowhere"))
    scores = {"equal": (1.0, 1.0, 0.0, 0.0), "uncertainty": (0.0, 0.0, 9.0, 9.0)}  # the best after two seeds, and after four
    used = {"used": {"steps": 1, "rows": 1, "epochs": 1}, "measured": {"seconds": 1.0, "peak_memory": 1}}
    facts = {arm: [(job, {"relative": own[job.seed], **used}) for job in jobs if job.arm.name == arm] for arm, own in scores.items()}
    nothing = HeldOutResults(pd.DataFrame(), pd.DataFrame())
    for looks, chosen in (((2, 4), "equal"), ((4,), "uncertainty")):
        config = StudyConfig(looks=looks)
        assert conclude_study.TestedStudy(config, TASKS, arms, arms, RaceResult(), jobs, nothing).chosen(facts).name == chosen
