"""`polytask relate` as its user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from polytask.cli import app
from polytask.storage import read_yaml

FEW = ["--seeds", "2", "--epochs", "2", "--measure-every", "2", "--workers", "1", "--set", "training.threads=1"]


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """A table with three targets; two of them are the same but for noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    value, other = x @ [1.0, 2.0, 0.0], x @ [0.0, 0.5, -2.0]
    frame = pd.DataFrame(x, columns=["age", "visits", "distance"])
    frame = frame.assign(value=value, profit=value + 0.1 * random.normal(size=200), **{"[bold]other": other})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return tmp_path / "sales.csv"


def test_a_table_is_related_and_its_configuration_repeats_it(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, sales: Path
) -> None:
    targets = ["--targets", "value", "profit", "[bold]other"]
    assert call("relate", str(sales), *targets, *FEW, "--max-groups", "2", "--out", str(tmp_path / "a"), "-q") == 0
    output = capsys.readouterr().out
    for text in ("Gradient cosine", "Look-ahead affinity", "[bold]other", "Proposed:", "of joint training", "rank"):
        assert text in output
    assert "report.html" in output
    files = {"run.yaml", "environment.json", "relate.json", "relations.csv", "history.csv", "cost.json", "report.html", "log.txt"}
    assert {path.name for path in (tmp_path / "a").iterdir() if path.name != ".lock"} == files
    assert call("relate", str(tmp_path / "a" / "run.yaml"), "--out", str(tmp_path / "b"), "-q") == 0
    for name in ("run.yaml", "relate.json", "relations.csv", "history.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    capsys.readouterr()
    assert call("relate", str(sales), *targets, *FEW, "--out", str(tmp_path / "a")) == app.EXIT_USER_ERROR
    assert "holds a finished run" in capsys.readouterr().err
    before = (tmp_path / "a" / "report.html").read_bytes()
    (tmp_path / "a" / "report.html").unlink()
    assert call("report", str(tmp_path / "a")) == 0
    assert (tmp_path / "a" / "report.html").read_bytes() == before
    (tmp_path / "a" / "report.html").unlink()  # as if the command had been killed before it wrote this file
    assert call("relate", str(sales), *targets, *FEW, "--max-groups", "3", "--out", str(tmp_path / "a")) == app.EXIT_USER_ERROR
    assert call("relate", str(sales), *targets, *FEW, "--max-groups", "2", "--out", str(tmp_path / "a"), "-q") == 0
    assert (tmp_path / "a" / "report.html").read_bytes() == before


def test_measures_are_chosen_by_name(call: Callable[..., int], tmp_path: Path, sales: Path) -> None:
    arguments = ["--targets", "value", "profit", "--measures", "similarity,lookahead", *FEW, "--out", str(tmp_path / "run"), "-q"]
    assert call("relate", str(sales), *arguments) == 0
    content = json.loads((tmp_path / "run" / "relate.json").read_text())
    assert list(content["measures"]) == ["similarity", "lookahead"]
    assert read_yaml(tmp_path / "run" / "run.yaml")["measured_rows"] == 256


def test_a_file_for_studies_says_what_it_says_and_no_more(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, sales: Path
) -> None:
    study = {
        "tables": {"sales": {"file": sales.name, "targets": ["value", "profit"]}},
        "arms": ["single", "equal"],
        "margins": {"value": 0.1},
        "seeds": 2,
        "training": {"epochs": 1, "threads": 1},
    }
    (sales.parent / "study.yaml").write_text(yaml.safe_dump(study))
    arguments = [str(sales.parent / "study.yaml"), "--workers", "1", "--out", str(tmp_path / "run"), "-q"]
    assert call("relate", *arguments) == 0
    assert read_yaml(tmp_path / "run" / "run.yaml")["training"]["epochs"] == 1
    (sales.parent / "study.yaml").write_text(yaml.safe_dump(study | {"nonsense": 1}))
    assert call("relate", *arguments[:1], "--out", str(tmp_path / "other")) == app.EXIT_USER_ERROR
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mnist-fashon"], "Did you mean 'mnist-fashion'"),
        (["mnist-fashion", "--measures", "cosines"], "measures"),
        (["mnist-fashion", "--measures", "similarity"], "no two tasks have a source in common"),
        (["mnist-fashion", "--max-groups", "0"], "max_groups"),
        (["mnist-fashion", "--seeds", "0"], "must be non-empty and unique"),
        (["mnist-fashion", "--measure-every", "0"], "measure_every"),
        (["mnist-fashion", "--balancer", "single"], "learns all tasks"),
        (["mnist-fashion", "--architecture", "separate"], "has no shared parameters"),
        (["nowhere.yaml"], "nowhere.yaml"),
        (["nowhere.csv"], "Add --targets"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(
    call: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("relate", *arguments) == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert text in output
    assert output.count("\n") == 1
    assert not list(tmp_path.rglob("relate.json"))


def test_one_target_is_related_to_nothing(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, sales: Path
) -> None:
    assert call("relate", str(sales), "--targets", "value", "--out", str(tmp_path / "run"), "-q") == app.EXIT_USER_ERROR
    assert "relatedness needs at least two tasks" in capsys.readouterr().err
