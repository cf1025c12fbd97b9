"""`polytask verdict`: the verdict on predictions of any program, and what it says of files that hold none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.cli import app

Change = Callable[[pd.DataFrame], pd.DataFrame | bytes | None]


def predictions(arms: tuple[str, ...] = ("single", "equal"), seeds: int = 3, units: int = 40) -> pd.DataFrame:
    """Predictions of a class and of a number, a bit better in the arms after the first."""
    random, parts = np.random.default_rng(0), []
    churn, value = random.integers(2, size=units), random.normal(5, 2, size=units).round(3)
    for place, arm in enumerate(arms):
        for seed in range(seeds):
            right = random.random(units) < 0.7 + 0.2 * (place > 0)
            guesses = {"churn": (churn, np.where(right, churn, 1 - churn)), "value": (value, (value + random.normal(size=units)).round(3))}
            for task, (target, guess) in guesses.items():
                columns = {"unit": range(units), "target": target.tolist(), "prediction": guess.tolist()}
                parts.append(pd.DataFrame(columns).assign(arm=arm, seed=seed, task=task))
    return pd.concat(parts, ignore_index=True)


def put(column: str, value: object, rows: Callable[[pd.DataFrame], Any] = lambda frame: frame.index == 3) -> Change:
    """The same predictions, with another value in some rows of a column."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype({column: object})
        changed.loc[rows(frame), column] = value
        return changed

    return change


def of(frame: pd.DataFrame, **values: object) -> Any:
    mask = np.ones(len(frame), dtype=bool)
    for name, value in values.items():
        mask &= (frame[name] == value).to_numpy()
    return mask


MISUSES: dict[str, tuple[str, Change, tuple[str, ...], tuple[str, ...]]] = {
    "no such file": ("none.csv", lambda _: None, (), ("no such file", "Check its folder and name")),
    "another ending": ("p.docx", lambda _: b"PK", (), ("must end in one of .csv", "Save it as CSV or Parquet")),
    "an empty file": ("p.csv", lambda _: b"", (), ("an empty file", "Name the columns")),
    "bytes": ("p.csv", lambda _: bytes(range(256)) * 9, (), ("not valid utf-8 text", "--encoding")),
    "no gzip": ("p.csv.gz", lambda _: b"arm,seed", (), ("damaged gzip data",)),
    "no Parquet": ("p.parquet", lambda _: b"PAR1 and more", (), ("damaged, or not a Parquet file", "save it as CSV")),
    "no rows": ("p.csv", lambda frame: frame.head(0), (), ("a table without rows", "Add the rows")),
    "no rows in Parquet": ("p.parquet", lambda frame: frame.head(0), (), ("there are no test predictions (found 0 rows)",)),
    "semicolons": ("p.csv", lambda frame: frame.to_csv(index=False, sep=";").encode(), (), ("another delimiter", "--delimiter")),
    "a row too short": ("p.csv", lambda frame: frame.to_csv(index=False).encode() + b"single,1\n", (), ("too few cells",)),
    "a column of another name": (
        "p.csv", lambda frame: frame.rename(columns={"prediction": "predicted"}), (),
        ("column 'prediction': this column is missing", "Did you mean 'predicted'?", "arm, seed, task, unit, target, prediction"),
    ),
    "no arms": ("p.csv", lambda frame: frame.drop(columns="arm"), (), ("column 'arm': this column is missing", "found unit, target")),
    "a missing prediction": (
        "p.parquet", put("prediction", None), (),
        ("column 'prediction': every row needs an entry", "first at arm single, seed 0, task churn, unit 3", "leave the unit out"),
    ),
    "an empty cell": ("p.csv", put("target", None), (), ("column 'target'", "Leave out units without a label")),
    "text instead of numbers": (
        "p.csv", put("prediction", "much", lambda frame: of(frame, task="value", unit=5)), (),
        ("task value, column 'prediction': only finite numbers can be compared", "'much', 6 in all", "Write numbers"),
    ),
    "an infinite number": (
        "p.parquet", put("prediction", float("inf"), lambda frame: of(frame, task="value", unit=5)), (), ("only finite numbers",),
    ),
    "duplicates": (
        "p.csv", lambda frame: pd.concat([frame, frame.head(2)]), (),
        ("task churn, arm single, seed 0, unit 0", "expected one prediction per arm, seed, task and unit", "2 duplicate rows", "Keep one"),
    ),
    "a seed of one arm only": (
        "p.csv", lambda frame: frame[~of(frame, arm="equal", seed=2)], (),
        ("arm equal, seed 2", "every arm must have the same seeds", "40 of 40 units missing", "leave the seed out for all arms"),
    ),
    "units of one arm only": (
        "p.csv", lambda frame: frame[~of(frame, arm="equal", seed=2, unit=7)], (), ("1 of 40 units missing, unit 7 first", "Add these"),
    ),
    "a task of one arm only": (
        "p.csv", lambda frame: frame[~of(frame, arm="equal", task="value")], (), ("task value, arm equal", "leave the task out"),
    ),
    "targets that differ between arms": (
        "p.csv", lambda frame: frame.assign(target=np.where(of(frame, arm="equal", task="value", unit=1), 0.5, frame["target"])), (),
        ("task value, column 'target': a test unit must have the same value for every arm and seed", "1 units", "one true value"),
    ),
    "test units that differ between seeds": (
        "p.csv", lambda frame: frame.assign(unit=frame["unit"] + 40 * frame["seed"]), (), ("test units differ", "give train_units"),
    ),
    "an unknown kind in a column": (
        "p.csv", lambda frame: frame.assign(kind=np.where(frame["task"] == "churn", "binray", "regression")), (),
        ("Did you mean 'binary'?",),
    ),
    "an unknown kind in an option": ("p.csv", lambda frame: frame, ("--kind", "churn=binray"), ("Did you mean 'binary'?",)),
    "a kind of an unknown task": ("p.csv", lambda frame: frame, ("--kind", "chrun=binary"), ("kinds['chrun']", "Did you mean 'churn'?")),
    "a kind without its classes": ("p.csv", lambda frame: frame, ("--kind", "churn=ordinal"), ("order of the classes", "--kind")),
    "an unknown option of a kind": ("p.csv", lambda frame: frame, ("--kind", "churn=binary(weight2=1)"), ("weight2",)),
    "scores instead of classes": (
        "p.csv", put("prediction", 0.3, lambda frame: of(frame, task="churn")), (),
        ("task churn: cannot infer the kind", "--kind churn=regression"),
    ),
    "one target": ("p.csv", lambda frame: frame[of(frame, task="churn")], (), ("at least two tasks", "'churn' only", "pt.verdict")),
    "one seed": ("p.csv", lambda frame: frame[frame["seed"] == 0], (), ("a verdict needs at least 2 seeds", "found 1", "Train more seeds")),
    "one arm": ("p.csv", lambda frame: frame[frame["arm"] == "single"], (), ("no arm to compare", "Add the predictions of a joint arm")),
    "no such baseline": ("p.csv", lambda frame: frame, ("--baseline", "sngle"), ("is not among the arms", "Did you mean 'single'?")),
    "no such chosen arm": ("p.csv", lambda frame: frame, ("--chosen", "eqal"), ("Did you mean 'equal'?",)),
    "no such protected task": ("p.csv", lambda frame: frame, ("--protect", "chrun"), ("Did you mean 'churn'?",)),
    "no such metric": ("p.csv", lambda frame: frame, ("--metrics", "churn=acuracy"), ("Did you mean 'accuracy'?",)),
    "a metric of another kind": ("p.csv", lambda frame: frame, ("--metrics", "churn=rmse"), ("does not fit", "Choose from: accuracy")),
    "a metric without probabilities": ("p.csv", lambda frame: frame, ("--metrics", "churn=auc"), ("probabilit",)),
    "a margin that is no number": ("p.csv", lambda frame: frame, ("--margins", "value=small"), ("margins.value", "number")),
    "a probability of two": ("p.csv", lambda frame: frame.assign(probability=2.0), (), ("between 0 and 1", "of the true label")),
    "training rows only": ("p.csv", lambda frame: frame.assign(split="train"), (), ("no test predictions", "Mark test rows by 'test'")),
    "lists in cells": ("p.parquet", lambda frame: frame.assign(prediction=[[1, 2]] * len(frame)), (), ("a single value per row", "a|b")),
    "looks without these seeds": ("p.csv", lambda frame: frame, ("--looks", "5,8"), ("looks", "after this number of seeds")),
    "a folder without predictions": ("folder", lambda _: None, (), ("holds no predictions.parquet", "polytask study")),
}  # fmt: skip


@pytest.mark.sampled(3, drawn=True)
@pytest.mark.parametrize("case", MISUSES)
def test_a_malformed_file_is_one_line_and_exit_2(
    case: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name, change, options, parts = MISUSES[case]
    path, changed = tmp_path / name, change(predictions())
    if isinstance(changed, bytes):
        path.write_bytes(changed)
    elif changed is not None:
        changed.to_csv(path, index=False) if name.endswith(".csv") else changed.astype({"prediction": object}).pipe(_write_parquet, path)
    elif name == "folder":
        path.mkdir()
    assert call("verdict", path, "--out", tmp_path / "out", *options) == app.EXIT_USER_ERROR
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    assert not output.out
    for part in parts:
        assert part in output.err, output.err
    assert not (tmp_path / "out" / "verdict.json").exists()


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    listed = frame["prediction"].map(lambda value: isinstance(value, list)).any()
    (frame if listed else frame.assign(prediction=pd.to_numeric(frame["prediction"]))).to_parquet(path, index=False)


def test_advice_table_and_page(call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    predictions().to_csv(tmp_path / "p.csv.gz", index=False)
    assert call("verdict", tmp_path / "p.csv.gz", "--out", tmp_path / "out", "--protect", "churn", "value") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Train churn and value ")
    assert all(line in printed for line in ("Compared with single-task training", "all tasks", "Seeds: 3."))
    assert "Kinds: churn binary (inferred), value regression (inferred)" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    said = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert said["recommendation"]["groups"] == [["churn", "value"]] or said["recommendation"]["arm"] == "single"
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"<h1>{said['recommendation']['headline']}</h1>" in page
    assert all(f">{name}</h2>" in page for name in ("Verdict", "What was compared", "Task: churn", "Task: value", "Configuration"))
    assert not any(f">{name}</h2>" in page for name in ("Data, time and memory", "Conflicts between tasks", "Environment"))
    assert call("verdict", tmp_path / "out", "--out", tmp_path / "again") == 0  # the folder repeats itself, options included
    again = json.loads((tmp_path / "again" / "verdict.json").read_text())
    assert {**again, "study": ""} == {**said, "study": ""}
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert call("verdict", tmp_path / "p.csv.gz", "--out", tmp_path / "out") == app.EXIT_USER_ERROR
    assert "holds a finished run" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert call("verdict", tmp_path / "p.csv.gz", "--out", tmp_path / "out", "--overwrite", "--test-openings", "2") == 0
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["test_openings"] == 2
    for read in (tmp_path / "out", tmp_path / "out" / "predictions.parquet"):
        assert call("verdict", read, "--out", tmp_path / "out", "--overwrite") == app.EXIT_USER_ERROR
        assert "reads a file in the folder" in capsys.readouterr().err
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert call("verdict", tmp_path / "p.csv.gz", "--out", tmp_path / "out", "--overwrite") == app.EXIT_USER_ERROR
    assert "found notes.txt" in capsys.readouterr().err


def test_csv_and_parquet_say_what_python_says(call: Callable[..., int], tmp_path: Path) -> None:
    """Seeds and units are ordered as numbers, so that the looks of eleven seeds are those of the frame, and sums have one order."""
    frame = predictions(seeds=11, units=101)
    looks = (3, 11)
    expected = pt.verdict(frame, looks=looks, chosen="equal").to_dict()
    frame.to_parquet(tmp_path / "p.parquet", index=False)
    frame.to_csv(tmp_path / "p.csv", index=False)
    with gzip.open(tmp_path / "q.csv.gz", "wt") as file:
        frame.sample(frac=1.0, random_state=0).to_csv(file, index=False, sep=";")
    frame.set_index(["arm", "seed"]).to_parquet(tmp_path / "indexed.parquet")
    for name, options in (("p.parquet", ()), ("p.csv", ()), ("q.csv.gz", ("--delimiter", ";")), ("indexed.parquet", ())):
        out = tmp_path / f"of-{name}"
        assert call("verdict", tmp_path / name, "--looks", "3,11", "--chosen", "equal", "--out", out, *options) == 0
        said = json.loads((out / "verdict.json").read_text())
        assert {key: said[key] for key in expected} == json.loads(json.dumps(expected)), name


def test_several_arms_need_a_choice_for_advice(call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    predictions(("single", "equal", "cagrad")).to_csv(tmp_path / "p.csv", index=False)
    assert call("verdict", tmp_path / "p.csv") == 0
    assert "name one with --chosen" in " ".join(capsys.readouterr().out.split())
    assert call("verdict", tmp_path / "p.csv", "--chosen", "cagrad", "--networks", "2") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Train churn and value ")
    assert "cagrad was chosen on validation data" in " ".join(printed.split())
    assert call("verdict", tmp_path / "p.csv", "--protect", "churn") == app.EXIT_USER_ERROR
    assert "--chosen" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_is_judged_again_to_the_last_digit(call: Callable[..., int], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 2)).round(3)
    size = np.array(["S", "M", "L"])[np.digitize(x[:, 0], [-0.4, 0.4])]
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "size": size, "value": x @ [1.0, -1.0], "churn": np.where(x.sum(1) > 0, "yes", "no")})
    table.to_csv(tmp_path / "t.csv", index=False)
    targets = {"size": "ordinal(classes=[S, M, L])", "value": None, "churn": None}
    study = pt.study(
        tmp_path / "t.csv", targets=targets, arms=["single", "equal"], seeds=2, epochs=1, workers=1, trials=1, race=False,
        margins={"value": 0.25}, out=tmp_path / "study",
    )  # fmt: skip
    kept = ("baseline", "chosen", "seeds", "level", "looks", "continuations", "test_openings", "tasks", "arms")

    def numbers(folder: Path) -> str:
        said = json.loads((folder / "verdict.json").read_text())
        return json.dumps({name: said[name] for name in kept})

    assert study.verdict.chosen == "equal"
    assert call("verdict", tmp_path / "study", "--out", tmp_path / "folder") == 0
    assert numbers(tmp_path / "folder") == numbers(tmp_path / "study")
    options = ("--chosen", "equal", "--margins", "value=0.25", "--kind", "size=ordinal(classes=[S, M, L])")
    assert call("verdict", tmp_path / "study" / "predictions.parquet", *options, "--out", tmp_path / "file") == 0
    assert numbers(tmp_path / "file") == numbers(tmp_path / "study")
    pd.read_parquet(tmp_path / "study" / "predictions.parquet").to_csv(tmp_path / "p.csv", index=False)
    assert call("verdict", tmp_path / "p.csv", *options, "--out", tmp_path / "csv") == 0
    assert numbers(tmp_path / "csv") == numbers(tmp_path / "study")


@pytest.mark.parametrize("probability", [None, 0.9])
def test_several_classes_have_every_metric_that_their_predictions_allow(
    call: Callable[..., int], tmp_path: Path, probability: float | None
) -> None:
    frame = predictions()
    plan = frame[frame.task == "churn"].assign(task="plan", target=lambda rows: rows.unit % 3, prediction=lambda rows: (rows.unit + 1) % 3)
    frame = pd.concat([frame, plan], ignore_index=True)
    if probability is not None:
        frame["probability"] = np.where(frame.task == "value", np.nan, probability)
    frame.to_parquet(tmp_path / "p.parquet")
    assert call("verdict", tmp_path / "p.parquet", "--out", tmp_path / "run") == 0
    found = pd.read_csv(tmp_path / "run" / "results.csv")
    assert set(found[found.task == "plan"].metric) == {"accuracy", "precision", "recall", "f1"} | ({"log-loss"} if probability else set())
    assert (found[(found.task == "plan") & (found.metric == "accuracy")].value == 0).all()
