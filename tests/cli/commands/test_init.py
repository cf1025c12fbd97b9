"""`polytask init`: a study file that runs as it is, whose comments are true."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.cli import app
from polytask.cli.build_config import merged
from polytask.cli.table_source import table_section
from polytask.options import StudyConfig, checked
from polytask.studies import Study, load_data

READ = ("--delimiter", ";", "--na-values", "NA")
ODD = "town: x #1 \N{SNOWMAN}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a table whose names are hard to write in YAML."""
    random = np.random.default_rng(0)
    age = random.integers(18, 80, size=120)
    columns = {
        "id": [f"c{row}" for row in range(120)],
        "age": np.where(age % 7 == 0, "NA", age.astype(str)),
        ODD: random.choice(["Rome", "Oslo", "no"], size=120),
        "fixed": 7,
        "visits: 0": (age * 1.5 + random.random(120)).round(2),
        "yes": np.where(age > 40, "on", "off"),
    }
    (tmp_path / "data").mkdir()
    pd.DataFrame(columns).to_csv(tmp_path / "data" / "my.sales.csv", index=False, sep=";")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolved(config: dict[str, Any]) -> dict[str, Any]:
    found = load_data(checked(StudyConfig, config, where="study")).config.model_dump()
    for table in found["tables"].values():
        table["file"] = str(Path(table["file"]).resolve())
    return found


def test_the_file_is_the_command_and_its_comments_are_the_defaults(
    folder: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    table, options = "data/my.sales.csv", {"delimiter": ";", "na_values": ["NA"]}
    assert call("init", table, *READ, "-o", "plans/study.yaml") == 0
    assert "Targets: visits: 0 (regression), yes (binary), the last columns that can be learned" in capsys.readouterr().out
    text = (folder / "plans" / "study.yaml").read_text()
    expected = resolved(table_section(table, {"targets": ["visits: 0", "yes"], **options}))
    assert resolved(merged("plans/study.yaml", {}, ())) == expected
    everything, count = re.subn(r"^#( *\w+:)", r"\1", text, flags=re.MULTILINE)
    assert count > 25
    (folder / "plans" / "all.yaml").write_text(everything)
    assert resolved(merged("plans/all.yaml", {}, ())) == expected
    said = {line.strip("# -").partition(": ")[0]: line for line in text.splitlines() if line.startswith("    # - ")}
    assert "120 distinct (no target): probably an identifier" in said["id"]
    assert "missing (regression)" in said["age"]
    assert "always the same; leave it out" in said["fixed"]
    assert f"    # - {ODD}: category, 3 distinct (multiclass)" in text


def test_the_file_runs_at_once(
    folder: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Study] = []
    monkeypatch.setattr(Study, "run", lambda study, *_: started.append(study))
    monkeypatch.setattr("polytask.cli.commands.study._show_result", lambda *_: None)
    assert call("init", "data/my.sales.csv", *READ, "--targets", ODD, "yes") == 0
    assert call("study", "study.yaml") == 0
    assert [task.kind for study in started for task in study.tasks] == ["multiclass", "binary"]
    before = (folder / "study.yaml").read_bytes()
    assert call("init", "data/my.sales.csv", *READ) == app.EXIT_USER_ERROR
    assert "exists already" in capsys.readouterr().err
    assert (folder / "study.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("data/none.csv",), "no such file"),
        (("data/my.sales.csv",), "another delimiter"),
        (("data/my.sales.csv", *READ, "--targets", "yess"), "Did you mean 'yes'?"),
        (("data/my.sales.csv", *READ, "--targets", "fixed", "yes"), "fixed"),
        (("data/my.sales.csv", *READ, "-o", "study.txt"), "must end in .yaml"),
        (("small.csv",), "too few columns to choose targets from"),
    ],
)
def test_what_is_refused_is_one_line_and_writes_nothing(
    folder: Path, arguments: tuple[str, ...], text: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "small.csv").write_text("a,b\n" + "".join(f"{row % 3},{row % 2}\n" for row in range(20)))
    assert call("init", *arguments) == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert text in output
    assert output.count("\n") == 1
    assert not (folder / "study.yaml").exists()


def test_targets_are_those_that_a_study_can_learn(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A number that occurs once is no class, a flag that is set once cannot be learned, and a name may hold a comma."""
    monkeypatch.chdir(tmp_path)
    rows = np.arange(400)
    columns = {
        "x": rows * 0.5 + rows % 3,
        "a, b": rows % 7 * 0.5,
        "grade": np.where(rows == 5, 19, rows % 10),
        "once": (rows == 5).astype(int),
        "twice": np.isin(rows, [5, 6]).astype(int),  # the test part has no such row
    }
    pd.DataFrame(columns).to_csv("t.csv", index=False)
    assert call("init", "t.csv") == 0
    assert "Targets: a, b (regression), grade (regression)" in capsys.readouterr().out
    assert "# - once: number, 2 distinct (no target)" in Path("study.yaml").read_text()
    kinds = load_data(checked(StudyConfig, merged("study.yaml", {}, ()), where="study")).config.tables["t"].targets
    assert kinds == {"a, b": "regression", "grade": "regression"}
    given = load_data(checked(StudyConfig, table_section("t.csv", {"targets": ["grade", "x"]}), where="study"))
    assert given.config.tables["t"].targets["grade"] == "regression"
    assert call("init", "t.csv", "--targets", "a, b", "grade", "-o", "named.yaml") == 0
    assert call("init", "t.csv", "--targets", "x,grade", "-o", "split.yaml") == 0
    capsys.readouterr()
    assert call("init", "t.csv", "--targets", "grade", "once", "-o", "none.yaml") == app.EXIT_USER_ERROR
    error = capsys.readouterr().err
    assert "task 'once', test part: too few different labels" in error
    assert "\n" not in error.rstrip()
    assert not Path("none.yaml").exists()
