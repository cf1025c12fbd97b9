"""`study`, `train` and `relate` in one call: the words of the command line, for whatever holds the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import polytask as pt
from polytask.storage import read_yaml
from polytask.tasks import Regression

FEW: dict[str, Any] = {"epochs": 1, "workers": 1, "threads": 1}


def rows(count: int = 240) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=(count, 3))
    people = np.arange(count) // 4
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "person": people, "churn": np.where(x[:, 0] > 0, "yes", "no"), "value": x.sum(1)})


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    rows().to_csv(path, index=False)
    return path


def weights(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "model").rglob("*.safetensors")))


def test_a_frame_a_file_and_polars_train_the_same_network(csv: Path, tmp_path: Path) -> None:
    choices = {"targets": ["churn", "value"], "group": "person", **FEW}
    given = {
        "csv": csv,
        "text": str(csv),
        "pandas": rows(),
        "polars": pl.DataFrame(rows().to_dict("list")),
        "mapping": rows().to_dict("list"),
        "records": rows().to_dict("records"),
    }
    runs = {name: pt.train(data, out=tmp_path / name, **choices) for name, data in given.items()}
    assert len({weights(run.folder) for run in runs.values()}) == 1


@pytest.mark.slow
def test_a_study_of_a_frame_is_repeated_from_its_configuration(tmp_path: Path) -> None:
    result = pt.study(
        rows().set_axis([f"r{number}" for number in range(240)]), targets={"churn": None, "value": "regression"}, out=tmp_path / "first",
        arms=["single", "equal"], seeds=2, protect=["value"], drop=["person"], **FEW,
    )  # fmt: skip
    assert set(result.predictions["unit"]) <= {f"table/r{number}" for number in range(240)}
    config = read_yaml(tmp_path / "first" / "run.yaml")
    assert config["protect"] == ["value"] and config["tables"]["table"]["id_column"] == "row" and config["training"]["epochs"] == 1
    again = pt.studies.load_data(pt.options.checked(pt.options.StudyConfig, config, where="run.yaml"))
    repeated = pt.Study(again.sources, again.tasks, config=again.config).run(tmp_path / "second")
    pd.testing.assert_frame_equal(result.predictions, repeated.predictions)


def test_names_in_a_series_and_paths_in_the_home_folder_are_understood(csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    shutil.copy(csv, tmp_path / "table.csv")
    for number, targets in enumerate((pd.Series(["churn", "value"]), rows().columns[3:], np.array(["churn", "value"]))):
        assert pt.train("~/table.csv", targets=targets, out=f"~/run-{number}", **FEW).folder == tmp_path / f"run-{number}"


def test_a_folder_with_other_rows_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    pt.train(rows(), targets=["churn", "value"], out=tmp_path / "run", **FEW)
    before = (tmp_path / "run" / "data" / "table.parquet").read_bytes()
    with pytest.raises(pt.StorageError, match="other rows"):
        pt.train(rows(200), targets=["churn", "value"], out=tmp_path / "run", **FEW)
    assert (tmp_path / "run" / "data" / "table.parquet").read_bytes() == before
    with pytest.raises(pt.StorageError, match="finished run"):
        pt.train(rows(), targets=["churn", "value"], out=tmp_path / "run", **FEW)


def test_what_a_run_leaves_that_was_killed_after_its_last_file_is_deleted(tmp_path: Path) -> None:
    pt.train(rows(), targets=["churn", "value"], out=tmp_path / "run", **FEW)
    left = tmp_path / "run" / "checkpoints" / "network"
    for judged in (False, True):  # a study may keep its networks
        left.mkdir(parents=True)
        if judged:
            (tmp_path / "run" / "verdict.json").write_text("{}", encoding="utf-8")
        with pytest.raises(pt.StorageError, match="finished run"):
            pt.train(rows(), targets=["churn", "value"], out=tmp_path / "run", **FEW)
        assert left.exists() == judged


def test_sources_and_data_sets_are_accepted_as_well(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 2)).astype("float32")
    whole = pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})
    source, test = whole.take(np.arange(60)), whole.take(np.arange(60, 90))
    tasks = (Regression(name="sum"), Regression(name="first"))
    result = pt.study([source], tasks, test=lambda: (test,), arms=["single", "equal"], seeds=2, out=tmp_path / "study", **FEW)
    assert set(result.verdict.tasks) == {"sum", "first"}
    assert pt.relate([source], tasks, seeds=2, out=tmp_path / "relate", **FEW).relations
    with pytest.raises(pt.ConfigError, match="unknown size"):
        pt.train("mnist-fashion", size="tiny")


def call(name: str, *data: Any, **choices: Any) -> Callable[[], object]:
    return lambda: getattr(pt, name)(*data, **choices)


FRAME, TARGETS = rows(60), {"targets": ["churn", "value"]}
SOURCE = pt.Source("toy", np.zeros((60, 2), dtype="float32"), {"sum": np.arange(60.0)})
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "no targets": (call("study", FRAME), "targets: the columns to predict must be named"),
    "empty targets": (call("study", FRAME, targets=[]), "targets: the columns to predict must be named"),
    "targets themselves": (call("study", FRAME[["a"]], targets=FRAME[["churn"]]), "targets: names of columns are needed .found DataFrame"),
    "numbers as names": (call("train", FRAME, targets=[3, 4]), "targets: names of columns are needed .found 3"),
    "labels as names": (call("train", FRAME, targets=FRAME["value"]), "targets: names of columns are needed .found "),
    "groups themselves": (call("train", FRAME, **TARGETS, group=np.arange(60)), "group: a string is needed .found array.+…"),
    "several tables": (call("train", [FRAME, FRAME], **TARGETS), "a table with rows and columns is needed"),
    "no encoder of texts": (call("train", FRAME, **TARGETS, text_encoder="nowhere"), "text_encoder: there is no column of texts"),
    "a target twice": (call("train", FRAME, targets=["churn", "churn"]), "a target is named twice"),
    "an unknown target": (call("train", FRAME, targets=["churm", "value"]), "churn"),
    "an unknown option": (call("study", FRAME, **TARGETS, epoch=3), "study: there is no such option .found epoch.. Did you mean 'epochs'"),
    "a wrong value": (call("study", FRAME, **TARGETS, epochs=0), "epochs"),
    "a wrong type": (call("study", FRAME, **TARGETS, training=3), "training"),
    "tasks of a table": (call("train", FRAME, [Regression(name="value")]), "tasks are for sources"),
    "targets of sources": (call("train", [SOURCE], [Regression(name="sum")], targets=["sum"]), "sources come with tasks"),
    "sources without tasks": (call("relate", [SOURCE]), "sources come with tasks"),
    "a group for sources": (call("train", [SOURCE], [Regression(name="sum")], group="x"), "this option needs a table"),
    "a single source": (call("train", SOURCE, [Regression(name="sum")]), "a sequence of sources is needed"),
    "targets of a data set": (call("study", "mnist-fashion", targets=["digit"]), "a data set has its own targets"),
    "an unknown data set": (call("study", "mnist-fasion"), "mnist-fashion"),
    "a file that does not exist": (call("study", "nowhere.csv", **TARGETS), "nowhere.csv"),
    "a study file": (call("study", "study.yaml"), "study files are for the command line"),
    "the source as an option": (call("study", FRAME, **TARGETS, source="census-income"), "only commands and files use this option"),
    "a number": (call("train", 3, **TARGETS), "a table with rows and columns is needed"),
    "a column twice": (call("train", pd.concat([FRAME, FRAME["a"]], axis=1), **TARGETS), "two columns have the same name"),
    "a column without text": (call("train", FRAME.rename(columns={"a": 3}), **TARGETS), "the name of a column must be a text"),
    "the index is a column": (call("train", FRAME.set_index("a", drop=False), **TARGETS), "a column and the index have the same name"),
    "cells of two types": (call("train", FRAME.assign(a=[1, "x"] * 30), **TARGETS), "a column has cells of several types"),
    "no test rows": (call("study", [SOURCE], [Regression(name="sum")], **FEW), "a study needs test rows"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake: str, tmp_path: Path) -> None:
    run, wanted = MISTAKES[mistake]
    with pytest.raises(pt.PolytaskError, match=wanted) as error:
        run()
    assert "\n" not in str(error.value)
    shutil.rmtree(tmp_path)
