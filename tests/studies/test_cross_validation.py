"""Cross-validated studies: every row is tested equally often, and nothing of the rows of a fold decides about its networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.data import Fold, Source
from polytask.errors import PolytaskError
from polytask.options import StudyConfig, VerdictConfig, checked
from polytask.run_files import VerdictFile
from polytask.storage import read_yaml
from polytask.studies import Study
from polytask.studies.execution import run_jobs
from polytask.studies.execution.job_training import Job
from polytask.studies.predictions.judge_predictions import judge_predictions
from polytask.studies.predictions.stored_options import stored_options
from polytask.studies.setup.run_folder import RunFolder
from polytask.tasks import Regression
from polytask.verdicts.shown.claim_sentences import openings_sentence

ROWS, FOLDS = 60, 3
FEW: Mapping[str, Any] = {"preset": "quick", "epochs": 1, "threads": 1, "workers": 1}
FILES = ("predictions.parquet", "verdict.json", "results.csv")
TASKS = (Regression(name="a"), Regression(name="b"))


def frame(**changed: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(ROWS, 3)), random.normal(size=(ROWS, 2))
    columns = {"x": x[:, 0], "y": x[:, 1], "place": np.where(x[:, 2] > 0, "north", "south")}
    labels = {"a": x[:, 0] + noise[:, 0], "b": np.where(np.arange(ROWS) % 4 == 0, np.nan, x[:, 1] + noise[:, 1])}
    return pd.DataFrame({**columns, **labels}).assign(**changed)


def run(data: pd.DataFrame, folder: Path, **options: Any) -> Any:
    return pt.study(data, targets=["a", "b"], folds=FOLDS, out=folder, **{**FEW, "arms": ["single", "equal", "linear"], **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run(frame(), tmp_path_factory.mktemp("study") / "run", keep=True)


def test_every_row_is_tested_once_per_repetition(whole: Any) -> None:
    found = whole.predictions
    for (arm, task), own in found.groupby(["arm", "task"]):
        labeled = ROWS if task == "a" else int(frame()["b"].notna().sum())
        for repetition in range(2):
            units = own.loc[own["seed"] // FOLDS == repetition, "unit"]
            assert units.is_unique, (arm, task)
            assert len(units) == labeled
    first, other = ({tuple(sorted(part["unit"])) for _, part in own.groupby("seed")} for _, own in found.groupby(found["seed"] // FOLDS))
    assert not first & other


def test_the_verdict_is_that_on_splits(whole: Any) -> None:
    labeled = int(frame()["b"].notna().sum())
    units = {"a": ROWS * (FOLDS - 1) // FOLDS, "b": labeled * (FOLDS - 1) // FOLDS}
    found = pt.verdict(whole.predictions, chosen="equal", train_units=units)
    for name, task in found.tasks.items():
        ours = whole.verdict.tasks[name]
        assert ours.train_units == task.train_units
        assert ours.arms["equal"].record().ci95 == task.arms["equal"].record().ci95
    assert whole.summary["test_openings"] == 1
    assert openings_sentence(VerdictFile.from_content(whole.summary)) == "Splits: 6. The test data were opened once."
    assert any(note.startswith("Cross-validated: 3 folds, 2 repetitions; every row was tested 2 times.") for note in whole.summary["notes"])


def test_splits_are_not_added(whole: Any) -> None:
    assert whole.recommendation.more_seeds == 0
    options = {**read_yaml(whole.folder / "run.yaml"), "more_seeds": 3}
    with pytest.raises(PolytaskError, match="looked at once"):
        checked(StudyConfig, options, where="run.yaml")


def test_a_judged_folder_has_the_same_claims(whole: Any) -> None:
    config = checked(VerdictConfig, stored_options(RunFolder(whole.folder)), where="test")
    again = judge_predictions(whole.folder, config)
    assert {name: task.arms["equal"].record() for name, task in again.verdict.tasks.items()} == {
        name: task.arms["equal"].record() for name, task in whole.verdict.tasks.items()
    }


@pytest.mark.slow
def test_two_workers_a_resumed_run_and_a_repeated_one_give_the_same_bytes(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, trained = run_jobs.train_job, []

    def stops(job: Job, *rest: Any, **named: Any) -> None:
        trained.append(job)
        if len(trained) == 8:  # within the second split
            raise KeyboardInterrupt
        kept(job, *rest, **named)

    run(frame(), tmp_path / "two", workers=2)
    monkeypatch.setattr(run_jobs, "train_job", stops)
    with pytest.raises(KeyboardInterrupt):
        run(frame(), tmp_path / "resumed")
    run(frame(), tmp_path / "resumed")
    for folder in (tmp_path / "two", tmp_path / "resumed"):
        for name in FILES:
            assert (folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_rows_of_a_fold_decide_nothing_about_its_networks(whole: Any, tmp_path: Path) -> None:
    """Extreme numbers and a new category stand in test rows of the first split only; the networks of that split stay the same bytes."""
    labels = {name: frame()[name].to_numpy() for name in ("a", "b")}
    _, tested = Fold(FOLDS, 0).rows(Source("table", np.zeros((ROWS, 1), "float32"), labels))
    there = np.isin(np.arange(ROWS), tested)
    other = run(
        frame(x=np.where(there, 1e6, frame()["x"]), place=np.where(there, "nowhere", frame()["place"])), tmp_path / "run", keep=True
    )
    same = {}
    for network in sorted((whole.folder / "checkpoints").glob("seed*/network")):
        name = f"{network.parent.name}/network/tensors.safetensors"
        same[name] = network.joinpath("tensors.safetensors").read_bytes() == (other.folder / "checkpoints" / name).read_bytes()
    assert {name.partition("-")[0] for name, equal in same.items() if equal} == {"seed0"}
    assert all(equal for name, equal in same.items() if name.startswith("seed0-"))


WRONG: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "one fold": ({"folds": 1}, "folds"),
    "half a repetition": ({"folds": 3, "seeds": 4}, "every row is tested equally often (found 4 seeds). Give a multiple of 3"),
    "seeds of one's own": ({"folds": 2, "seeds": [3, 4]}, "every row is tested equally often"),
    "looks": ({"folds": 2, "seeds": 4, "looks": [2, 4]}, "splits of a cross-validation are looked at once (found looks)"),
    "minutes": ({"folds": 2, "minutes": 1}, "looked at once (found minutes)"),
    "a race": ({"folds": 2, "race": True}, "rows that are tested (found race)"),
    "tuning": ({"folds": 2, "trials": 2}, "rows that are tested (found trials: 2)"),
    "a data set": ({"folds": 2, "source": "mnist-fashion"}, "has test rows of its own (found mnist-fashion)"),
    "a time": (
        {"folds": 2, "tables": {"t": {"file": "t.csv", "targets": ["a"], "time": "x"}}},
        "drawn at random from all rows (found time)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_go_with_folds_is_refused(name: str) -> None:
    options, text = WRONG[name]
    with pytest.raises(PolytaskError) as caught:
        checked(StudyConfig, options, where="study")
    assert text in str(caught.value)


def source(rows: int = ROWS) -> Source:
    x = np.random.default_rng(1).normal(size=(rows, 2)).astype("float32")
    return Source("toy", x, {"a": x[:, 0], "b": x[:, 1], "c": x[:, 0]}, groups=np.arange(rows) // 4)


def test_sources_are_divided_too_and_groups_stay_together() -> None:
    training = {"epochs": 1, "threads": 1}
    result = Study([source()], TASKS, ["single", "equal"], folds=2, training=training, workers=1).run()
    for _, own in result.predictions.query("arm == 'equal' and task == 'a'").groupby("seed"):
        assert own.groupby("group").size().eq(4).all()


@pytest.mark.parametrize(
    ("arms", "choices", "text"),
    [
        (["single", "equal"], {"test": lambda: (source(),)}, "tests every row in its turn (found test rows)"),
        (
            ["single", "grouped"],
            {"tasks": (*TASKS, Regression(name="c"))},
            "groups would be measured on rows that are tested (found arm 'grouped')",
        ),
    ],
)
def test_what_would_see_rows_that_are_tested_is_refused(arms: list[str], choices: dict[str, Any], text: str) -> None:
    with pytest.raises(PolytaskError) as caught:
        Study([source()], choices.pop("tasks", TASKS), arms, folds=2, **choices)
    assert text in str(caught.value)
