"""Learning curves in a run folder: one family of claims, repeats, interruptions, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.data import Source
from polytask.errors import ConfigError, DataError, StorageError
from polytask.options import CurveConfig
from polytask.report import write_report
from polytask.run_files import CurveFile
from polytask.studies import measure_curve
from polytask.studies.curves.measure_curve import study_config
from polytask.studies.setup.replaced_run import replaced_run
from polytask.tasks import Regression, Task

TASKS: tuple[Task, ...] = (Regression(name="price"), Regression(name="cost"))
FEW: dict[str, Any] = {"shares": ["1/4", 1], "seeds": 2, "workers": 1, "training": {"epochs": 1, "batch_size": 32, "threads": 1}}


def table(rows: int, seed: int) -> Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return Source("table", x, {"price": x.sum(1).astype(float), "cost": x[:, 0].astype(float)})


def measure(out: Path, **choices: Any) -> Any:
    return measure_curve([table(100, 0)], TASKS, test=lambda: (table(60, 1),), out=out, **FEW | choices)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run."""
    folder: Path = measure(tmp_path_factory.mktemp("whole") / "run").folder
    return folder


def test_every_point_has_labels_means_and_a_claim(whole: Path) -> None:
    curve = CurveFile.read(whole / "curve.json")
    points = pd.read_csv(whole / "points.csv")
    assert points[["task", "share", "labels", "arm"]].values.tolist() == [
        [task, share, labels, "equal"] for task in ("price", "cost") for share, labels in ((0.25, 20), (1.0, 80))
    ]
    for name, task in curve.tasks.items():
        for point in task.points:
            results = pd.read_csv(whole / "shares" / f"{point.share:g}" / "results.csv").query("split == 'test' and metric == 'rmse'")
            means = results[results["task"] == name].groupby("arm")["value"].mean()
            assert point.single == pytest.approx(means["single"])
            assert point.arms["equal"].mean == pytest.approx(means["equal"])
        assert set(task.label_ratio) == {"equal"}


def test_the_claims_are_one_family(whole: Path) -> None:
    """The intervals of all points together are wider than those of the study of one share."""
    point = CurveFile.read(whole / "curve.json").tasks["price"].points[-1].arms["equal"]
    alone = pt.verdict(pd.read_parquet(whole / "shares" / "1" / "predictions.parquet")).tasks["price"].arms["equal"].decision.interval
    assert point.ci95 is not None
    assert point.ci95[0] < alone[0] < alone[1] < point.ci95[1]


def test_a_run_that_is_interrupted_within_a_share_resumes_to_the_same_bytes(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("polytask.studies.run_study.conclude_study", interrupt)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path / "run")
    assert (tmp_path / "run" / "shares" / "0.25" / "run.yaml").exists()
    measure(tmp_path / "run")
    for name in ("curve.json", "points.csv", "run.yaml", "shares/0.25/run.yaml", "shares/0.25/results.csv", "shares/1/results.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_without_its_last_share_resumes_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "shares" / "1")
    for name in ("curve.json", "points.csv"):
        (tmp_path / "run" / name).unlink()
    measure(tmp_path / "run")
    for name in ("curve.json", "points.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_run_is_kept(whole: Path) -> None:
    with pytest.raises(StorageError, match="this folder holds a finished run"):
        measure(whole)


def test_the_report_shows_every_task(whole: Path) -> None:
    page = write_report(whole).read_text()
    assert "Over all tasks and shares of the labels, plain sum" in page
    assert all(f">Task: {name}</h2>" in page for name in ("price", "cost"))


def test_the_studies_differ_in_the_share_alone() -> None:
    config = CurveConfig(seeds=3, labels_of=["price"], training={"epochs": 4})
    quarter, whole = (study_config(config, share).model_dump(mode="json") for share in (0.25, 1.0))
    assert (quarter["training"].pop("label_share"), quarter["training"].pop("label_share_of")) == (0.25, ["price"])
    assert (whole["training"].pop("label_share"), whole["training"].pop("label_share_of")) == (1.0, [])
    assert quarter == whole


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"shares": [1]}, "curve, shares"),
        ({"shares": [0, 1]}, "shares must be different numbers above 0 and at most 1"),
        ({"shares": [0.5, "1/2"]}, "shares must be different"),
        ({"shares": ["a", 1]}, "curve, shares"),
        ({"labels_of": ["prise"]}, r"labels_of: there is no such task \(found prise\)\. Did you mean 'price'"),
        ({"margins": {"prise": 1}}, "margins: there is no such task"),
        ({"arms": ["equal"]}, "single"),
        ({"seeds": 1}, "at least 2 different seeds"),
        ({"seeds": 10**9}, "at most 10000 seeds are possible"),
        ({"margins": {"price": 0}}, "a margin must be a finite number above 0"),
        ({"training": {"label_share": 0.5}}, "use shares and labels_of, not label_share"),
    ],
)
def test_what_cannot_be_drawn_is_refused(choices: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        measure(tmp_path / "run", **choices)


def test_a_share_without_two_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"share 0\.001, .* Choose a larger smallest share"):
        measure(tmp_path / "run", shares=[0.001, 1])


def test_a_finished_run_can_be_replaced_but_not_with_files_of_others_in_it(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    with replaced_run(tmp_path / "run"):
        measure(tmp_path / "run")
    assert (tmp_path / "run" / "curve.json").read_bytes() == (whole / "curve.json").read_bytes()
    (tmp_path / "run" / "shares" / "1" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"shares/1/mine\.txt"), replaced_run(tmp_path / "run"):
        pass
