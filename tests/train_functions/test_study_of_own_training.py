"""A whole study of a user's own training function: arms, looks, races, interruptions, repeats, workers, and the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

import polytask as pt
from polytask.errors import ConfigError, StorageError
from polytask.options import StudyConfig, checked
from polytask.registry.model_factories import factory_at, read_factory
from polytask.storage import read_yaml
from polytask.studies import Arm, Study, StudyResult
from polytask.studies.execution import function_fit
from polytask.studies.execution.function_watch import FunctionAnswer
from polytask.train_functions.function_process import FunctionCall, make_request
from polytask.train_functions.returned_predictions import read_returned

TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))
FILES = ("predictions.parquet", "verdict.json", "history.csv")


def table(rows: int = 80, seed: int = 0) -> pt.Source:
    x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
    return pt.Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})


def study(function: Any, **choices: Any) -> Study:
    given = {"seeds": 2, "workers": 1, "train": function, "training": {"threads": 1}, **choices}
    return Study([table()], TASKS, test=lambda: (table(40, 1),), **({"config": choices["config"]} if "config" in choices else given))


def same_bytes(first: StudyResult, second: StudyResult) -> bool:
    return all((first.folder / name).read_bytes() == (second.folder / name).read_bytes() for name in FILES)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Call functions in this process, which takes no start of a process per call; what they are told is listed."""
    told: list[dict[str, Any]] = []

    def call(call: FunctionCall, where: str, limit: float | None, report: Callable[[Any], None]) -> FunctionAnswer:
        told.append({name: call.request[name] for name in ("arm", "seed", "options", "epochs", "seconds", "tasks")})
        path, options = read_factory(call.function, "train")
        request = make_request(call.request, lambda epoch, **scores: report({"epoch": epoch, **scores}))
        try:
            return FunctionAnswer(read_returned(factory_at(path)(request, **options), request), 1.0, 1.5, 1)
        except RuntimeError as error:
            raise ConfigError("the training function failed", where=where, found=error) from None

    monkeypatch.setattr(function_fit, "call_function", call)
    return told


def test_arms_options_seeds_and_budget_reach_the_function(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    arms = ["single", "joint", "joint(noise=0.5)", Arm("still", options={"noise": 0.0}, title="No noise")]
    result = study(trains.least_squares, arms=arms, training={"epochs": 7}, time_limit=60.0).run(tmp_path / "run")
    assert [(one["arm"], one["seed"], [task.name for task in one["tasks"]]) for one in in_process[:4]] == [
        ("single", 0, ["sum"]), ("single", 0, ["first"]), ("joint", 0, ["sum", "first"]), ("joint(noise=0.5)", 0, ["sum", "first"]),
    ]  # fmt: skip
    assert [one["options"] for one in in_process[2:5]] == [{}, {"noise": 0.5}, {"noise": 0.0}]
    assert {(one["epochs"], one["seconds"]) for one in in_process} == {(7, 60.0)} and len(in_process) == 10
    assert result.verdict.chosen == "still" and result.verdict.titles["still"] == "No noise"
    assert result.verdict.titles["joint(noise=0.5)"] == "joint training (noise=0.5)"
    assert set(result.predictions["arm"]) == {"single", "joint", "joint(noise=0.5)", "still"}
    assert result.summary["test_openings"] == 1
    notes = " ".join(result.summary["notes"])
    assert "Trained by user_trains:least_squares: every arm was offered 7 epochs, and at most 60 s per call" in notes
    assert "inputs of test rows without labels" in notes and "learning rate" not in notes
    test = table(40, 1)
    still = result.predictions.query("arm == 'still' and task == 'sum' and seed == 0")
    np.testing.assert_allclose(still["prediction"].astype(float), test.labels["sum"], atol=1e-4)
    assert still["target"].astype(float).tolist() == pytest.approx(test.labels["sum"].tolist())
    with pytest.raises(ConfigError, match=r"is loaded by its own code \(found user_trains:least_squares\)"):
        pt.load(result.folder)


@pytest.mark.slow
def test_the_built_in_training_replayed_gives_its_predictions(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    few = {"epochs": 3, "threads": 1, "validation_fraction": 0.2}
    replayed = study(trains.like_built_in, training=few).run(tmp_path / "replayed")
    built_in = study(None, arms=["single", "equal"], training=few).run(tmp_path / "built-in")
    frames = [result.predictions.replace({"arm": {"equal": "joint"}}) for result in (replayed, built_in)]
    keys = ["arm", "seed", "task", "unit", "target"]
    one, other = (frame.set_index(keys)["prediction"].astype(float) for frame in frames)
    assert len(one) == 2 * 2 * 2 * 40 and one.index.equals(other.index)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    scores = [pd.read_csv(result.folder / "results.csv").query("split == 'validation'")["value"] for result in (replayed, built_in)]
    np.testing.assert_allclose(*scores, rtol=1e-5)


def test_every_kind_of_several_sources(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(260, 3)).astype("float32")
    kinds = np.array(["a", "b", "c"], dtype=object)[np.digitize(x[:, 0], [-0.5, 0.5])]
    labels = {
        "kind": np.where(np.arange(260) % 7 == 0, None, kinds),
        "churn": np.where(x[:, 1] > 0, "yes", "no").astype(object),
        "visits": np.round(np.exp(x[:, 2])),
        "time": np.exp(x[:, 0]) * np.where(x[:, 1] > 1, -1, 1),
        "level": np.digitize(x[:, 2], [-1, 0, 1]).astype(object),
        "range": x[:, 0].astype(float),
    }
    tasks = (
        pt.tasks.Multiclass(name="kind", classes=("a", "b", "c")),
        pt.tasks.Binary(name="churn", classes=("no", "yes"), metric="auc"),
        pt.tasks.Count(name="visits"),
        pt.tasks.Survival(name="time", intervals=4),
        pt.tasks.Ordinal(name="level", classes=(0, 1, 2, 3)),
        pt.tasks.Quantile(name="range", levels=(0.1, 0.5, 0.9)),
    )
    first, second = ("kind", "churn", "visits"), ("time", "level", "range", "churn")
    whole = [pt.Source(name, x, {task: labels[task] for task in own}) for name, own in (("first", first), ("second", second))]
    sources, test = ([source.take(np.arange(*ends)) for source in whole] for ends in ((0, 200), (200, 260)))
    result = Study(sources, tasks, test=lambda: tuple(test), train=trains.many_kinds, seeds=2, workers=1, training={"threads": 1}).run(
        tmp_path
    )
    assert set(result.verdict.tasks) == {task.name for task in tasks}
    values = (
        pd.read_csv(tmp_path / "results.csv")
        .query("split == 'test' and arm == 'joint' and seed == 0")
        .set_index(["task", "metric"])["value"]
    )
    assert values["churn", "auc"] == 1.0 and values["kind", "accuracy"] == 1.0 and ("kind", "log-loss") in values
    assert len(result.predictions.query("arm == 'joint' and seed == 0 and task == 'churn'")) == 120
    assert len(result.predictions.query("arm == 'joint' and seed == 0 and task == 'kind'")) < 60


def test_a_metric_that_needs_probabilities(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    labels = {"sum": table().labels["sum"] > 0, "first": table().labels["first"] > 0}
    source = pt.Source("toy", table().inputs, labels)
    tasks = tuple(pt.tasks.Binary(name=name, metric="auc") for name in labels)
    test = replace(source, inputs=table(80, 1).inputs)
    asked = Study([source], tasks, test=lambda: (test,), train=trains.constant, seeds=2, workers=1)
    with pytest.raises(
        ConfigError,
        match=r"seed 0, test predictions, task 'sum': this metric needs a probability per class. Return probabilities per class",
    ):
        asked.run(tmp_path / "run")


def renamed(name: str) -> pt.Source:
    """The test rows under another name."""
    return replace(table(40, 1), name=name)


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (lambda: (renamed("other"),), "task 'sum': no test row that its networks can predict (found labels in 'other')"),
        (lambda: (table(40, 1), table(30, 2)), "test: names of test sources must be unique (found 2 sources named 'toy')"),
        (
            lambda: (replace(table(40, 1), inputs=table(40, 1).inputs[:, :2]),),
            "test source 'toy': test rows must have the shape of training rows (found (2,), and (3,) in training)",
        ),
        (lambda: (), "test: at least one source is needed"),
        (lambda: [3], "test, entry 1: a source is needed (found 3)"),
    ],
)
def test_test_rows_are_checked_before_anything_is_called(
    trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path, test: Any, text: str
) -> None:
    with pytest.raises(pt.PolytaskError, match=re.escape(text)):
        Study([table()], TASKS, test=test, train=trains.least_squares, seeds=2, workers=1).run(tmp_path / "run")
    assert not in_process


def test_a_table_tells_its_columns(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=200)
    frame = pd.DataFrame({"number": x, "town": np.where(x > 0, "Rome", "Oslo"), "sum": x + 1, "first": 2 * x})
    result = pt.study(frame, targets=["sum", "first"], train=trains.tabular, seeds=2, workers=1, preset="quick", out=tmp_path / "run")
    assert (tmp_path / "run" / "model" / "network-1" / "columns").read_text() == "number 0, town 3"
    assert result.predictions["unit"].str.startswith("table/").all()


def test_a_function_is_called_for_every_split(trains: ModuleType, in_process: list[dict[str, Any]]) -> None:
    result = Study([table()], TASKS, folds=2, seeds=2, train=trains.least_squares, workers=1).run()
    assert len(in_process) == 2 * 3
    for _, own in result.predictions.groupby(["arm", "task"]):
        assert sorted(own["unit"]) == sorted(f"toy/{row}" for row in range(80))


@pytest.mark.slow
@pytest.mark.parametrize("choices", [{"minutes": 1.0}, {"dry_run": True}])
def test_seeds_from_minutes_and_estimates(
    trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path, choices: dict[str, Any]
) -> None:
    made = Study([table()], TASKS, test=lambda: (table(40, 1),), train=trains.least_squares, workers=1, **choices)
    assert made.estimate().seeds in (5, 20) and len(in_process) == 3
    if "minutes" in choices:
        assert made.run(tmp_path / "run").summary["looks"]


@pytest.mark.parametrize("form", ["entries", "read"])
def test_rows_of_every_form_reach_the_function(trains: ModuleType, in_process: list[dict[str, Any]], form: str, tmp_path: Path) -> None:
    def source(rows: int, seed: int) -> pt.Source:
        plain = table(rows, seed)
        entries = {"x": plain.inputs, "more": np.zeros((rows, 40_000 // rows, 4), np.float32)}
        if form == "entries":
            return replace(plain, inputs=entries)
        items = [
            ({name: entry[row] for name, entry in entries.items()}, {name: own[row] for name, own in plain.labels.items()})
            for row in range(rows)
        ]
        return pt.Source.from_dataset("toy", items, lazy=True)

    test = source(40, 1)
    result = Study([source(80, 0)], TASKS, test=lambda: (test,), seeds=2, workers=1, train=trains.of_entries).run(tmp_path / "run")
    found = result.predictions.query("arm == 'joint' and task == 'sum' and seed == 0")
    np.testing.assert_allclose(found["prediction"].astype(float), found["target"].astype(float), atol=1e-4)


def test_a_race_and_looks(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    arms = ["single", "joint(noise=0.9)", "joint(noise=0.01)"]
    result = study(trains.least_squares, arms=arms, race=True, looks=[3, 4], seeds=4).run(tmp_path / "run")
    assert result.verdict.chosen == "joint(noise=0.01)" and set(result.predictions["arm"]) == {"single", "joint(noise=0.01)"}
    assert result.summary["test_openings"] in (1, 2)
    raced = [one for one in in_process if one["seed"] > 10]
    assert {one["arm"] for one in raced} == set(arms[1:]) and all(one["seed"] < 2**32 for one in raced)


def test_joint_arms_are_chosen_on_validation_rows(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    result = study(trains.constant).run(tmp_path / "run")
    assert result.verdict.chosen == "joint"
    text = "joint, seed 0: predictions of validation rows choose between several joint arms (found none). Return {'validation'"
    with pytest.raises(ConfigError, match=re.escape(text)):
        study(trains.constant, arms=["joint", "single", "joint(noise=2)"]).run(tmp_path / "several")


def test_a_study_that_failed_goes_on(
    trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "flag"
    monkeypatch.setenv("USER_TRAINS_FAIL", str(flag))
    whole = study(trains.fragile).run(tmp_path / "whole")
    flag.write_text("joint 1")
    with pytest.raises(ConfigError, match="train user_trains:fragile, joint, seed 1: the training function failed"):
        study(trains.fragile).run(tmp_path / "run")
    flag.unlink()
    in_process.clear()
    with pytest.raises(StorageError, match=r"another unfinished run \(training.epochs\)"):
        study(trains.fragile, training={"threads": 1, "epochs": 5}).run(tmp_path / "run")
    with pytest.raises(ConfigError, match="another source 'toy'"):
        Study([table(seed=3)], TASKS, test=lambda: (), train=trains.fragile, seeds=2, training={"threads": 1}).run(tmp_path / "run")
    again = study(trains.fragile, time_limit=90.0).run(tmp_path / "run")
    assert [(one["arm"], one["seed"], one["seconds"]) for one in in_process] == [("joint", 1, 90.0)]
    assert pd.read_parquet(again.folder / "predictions.parquet").equals(pd.read_parquet(whole.folder / "predictions.parquet"))
    repeated = study(None, config=checked(StudyConfig, read_yaml(whole.folder / "run.yaml"), where="run", imports=True))
    assert same_bytes(repeated.run(tmp_path / "repeat"), whole)


def test_test_rows_that_change_are_refused(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    loads = iter([table(40, 1), table(40, 2)])
    changing = Study([table()], TASKS, test=lambda: (next(loads),), train=trains.least_squares, seeds=2, workers=1)
    with pytest.raises(
        pt.DataError, match=r"^single sum, seed 0, source .toy.: the test rows are not those that the training function has predicted"
    ):
        changing.run(tmp_path / "run")


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"arms": ["single", "equal"]}, "arms: a training function has no balancers and no networks (found equal). Use single, joint"),
        ({"arms": ["single", "joint@mmoe"]}, "joint@mmoe"),
        ({"arms": ["single", "grouped"]}, "a training function has no balancers and no networks (found grouped)"),
        ({"arms": ["single", Arm("mine", balancer="cagrad")]}, "a training function has no balancers and no networks (found mine)"),
        ({"arms": ["single"]}, "a study needs single-task training and a joint arm"),
        ({"trials": 3}, "trials: a training function has no such option (found 3). Pass it to the function"),
        ({"encoder": "mlp"}, "encoder: a training function has no such option (found mlp)"),
        ({"training": {"lr": 0.1}}, "training.lr: a training function has no such option (found 0.1)"),
        ({"train": None, "arms": ["single", "joint"]}, "arms: this arm is for a training function (found joint). Give train="),
        ({"train": None, "arms": ["single", Arm("x", options={"a": 1})]}, "arms: this arm is for a training function (found x)"),
        ({"train": None, "time_limit": 3.0}, "time_limit: a time limit is for calls of a training function (found 3.0)"),
        ({"train": lambda request: {}}, "train: files and worker processes refer to a function by its import path"),
        ({"train": 3}, "train: a function that trains is needed (found 3). Give a function train(request) of a module"),
        ({"train": "user_trains.least_squares"}, "train: a training function is named by an import path"),
        (
            {"train": "user_trains:least_square"},
            "the module has no such function (found user_trains:least_square). Did you mean 'least_squares'",
        ),
        ({"train": "user_trains:least_squares(rigde=1)"}, "a training function is called with a request (found got an unexpected keyword"),
        ({"train": "json:JSONDecoder"}, "a training function is called with a request (found too many positional arguments)"),
    ],
)
def test_what_does_not_fit_a_training_function(trains: ModuleType, choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)) as caught:
        study(trains.least_squares, **choices)
    assert "\n" not in str(caught.value)


def test_whatever_a_function_leaves_in_its_folder_is_exported(trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path) -> None:
    result = study(trains.untidy).run(tmp_path / "run")
    (own,) = (result.folder / "model").glob("network-1")
    assert (own / "weights.txt").read_text() == "1 2 3" and (own / "last.txt").read_text() == "1 2 3"
    assert (own / "nowhere").is_symlink() and (own / "all").is_symlink() and not (own / "pipe").exists()


def test_a_transform_that_a_training_function_would_not_get_is_refused(trains: ModuleType, tmp_path: Path) -> None:
    source = replace(table(), transform=abs)
    refused = Study([source], TASKS, test=lambda: (table(40, 1),), train=trains.least_squares, seeds=2, workers=1)
    with pytest.raises(
        ConfigError, match=r"source 'toy', transform: a training function changes its batches itself .*Leave transform= out"
    ):
        refused.run(tmp_path / "run")


@pytest.mark.parametrize("options", [{"f": print}, {"a": float("nan")}, {1: 2}, ["a"], {"t": (1, 2)}])
def test_options_of_arms_are_plain(options: Any) -> None:
    with pytest.raises(ConfigError, match="arm 'wide', options: options must be plain data that a file can hold"):
        Arm("wide", options=options)


HERE = str(Path(__file__).parent)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A small table in a file."""
    source, path = table(120), tmp_path / "toy.csv"
    frame = pd.DataFrame(source.inputs, columns=["a", "b", "c"]).assign(sum=source.labels["sum"], first=source.labels["first"])
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def exit_code(trains: ModuleType, call: Callable[..., int]) -> Callable[..., int]:
    """A function that runs a command with the folder of the user's modules, and returns its exit code."""
    return lambda *words: call(*words, "--import-path", HERE)


@pytest.mark.slow
def test_the_command_line(
    exit_code: Callable[..., int], in_process: list[dict[str, Any]], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    few = ["--targets", "sum", "first", "--seeds", "2", "--workers", "1", "--threads", "1", "--epochs", "2"]
    words = ["study", str(rows), *few, "--train", "user_trains:fragile", "--time-limit", "50"]
    assert exit_code(*words, "--out", str(tmp_path / "run")) == 0
    assert "joint" in capsys.readouterr().out and {one["seconds"] for one in in_process} == {50.0}
    again = ["study", str(tmp_path / "run" / "run.yaml")]
    assert exit_code(*again, "--out", str(tmp_path / "no")) == 2
    assert "--allow-imports" in capsys.readouterr().err
    assert exit_code(*again, "--allow-imports", "-q", "--out", str(tmp_path / "repeat")) == 0
    flag = tmp_path / "flag"
    flag.write_text("joint 1")
    monkeypatch.setenv("USER_TRAINS_FAIL", str(flag))
    assert exit_code(*words, "--out", str(tmp_path / "failed")) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "train user_trains:fragile, joint, seed 1: the training function failed (found not yet ready)" in error
    flag.unlink()
    assert exit_code(*words, "-q", "--out", str(tmp_path / "failed")) == 0
    whole, *others = ((tmp_path / name / "predictions.parquet").read_bytes() for name in ("run", "repeat", "failed"))
    assert others == [whole, whole]


@pytest.mark.slow
def test_a_study_file(exit_code: Callable[..., int], in_process: list[dict[str, Any]], rows: Path, tmp_path: Path) -> None:
    content = {
        "tables": {"toy": {"file": "toy.csv", "targets": ["sum", "first"]}},
        "train": "user_trains:least_squares(ridge=0.1)",
        "arms": ["single", {"name": "noisy", "options": {"noise": 0.2}}],
        "seeds": 2,
        "workers": 1,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    assert exit_code("study", str(tmp_path / "study.yaml"), "-q", "--out", str(tmp_path / "run")) == 0
    assert in_process[-1]["arm"] == "noisy" and in_process[-1]["options"] == {"noise": 0.2}


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(
    trains: ModuleType, in_process: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = ["single", "joint", "linear"]
    one = study(trains.fragile, arms=arms).run(tmp_path / "one")
    monkeypatch.undo()
    pt.add_import_path(HERE)
    two = study(trains.fragile, arms=arms, workers=2).run(tmp_path / "two")
    assert len(in_process) == 6 and same_bytes(one, two)
    assert (two.folder / "model" / "network-1" / "called").read_text().split()[0] in ("single", "joint")
    assert json.loads((two.folder / "model" / "model.json").read_text())["function"] == "user_trains:fragile"
    assert set(two.costs) == set(arms) and two.costs["joint"].peak_memory_bytes > 2**25
    assert "Trained by user_trains" in pt.report.write_report(two.folder).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_study_leaves_no_process(trains: ModuleType, rows: Path, tmp_path: Path, workers: str) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    few = ["--targets", "sum", "first", "--seeds", "2", "--workers", workers, "--threads", "1", "-q", "--import-path", HERE]
    words = [sys.executable, "-m", "polytask", "study", str(rows), *few, "--train", "user_trains:waits", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "USER_TRAINS_FAIL": str(flag)}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background inherits that it is ignored
    command = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    pid = flag.with_suffix(".pid")
    while not pid.exists() and command.poll() is None:
        time.sleep(0.1)
    os.killpg(command.pid, signal.SIGINT)
    _, error = command.communicate(timeout=60)
    assert command.returncode == 130, error
    end = time.monotonic() + 10
    while psutil.pid_exists(int(pid.read_text())) and time.monotonic() < end:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(pid.read_text()))
    assert list((tmp_path / "run" / "checkpoints").glob("*single*/network/manifest.json"))
