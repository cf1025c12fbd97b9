"""What lies beside the data is no program: no process that is started imports from the working folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from polytask.cli import main
from polytask.registry import importing

EVIL = """
import os, sys
with open(os.environ["MARKER"], "a") as file:
    file.write(f"{__name__} imported by {sys.orig_argv}\\n")
raise RuntimeError("somebody else's program")
"""
OPTIONS = ("--targets", "sum", "first", "--kind", "sum=regression", "--kind", "first=regression", "--seeds", "2", "--epochs", "1", "-q")
API = """
import polytask as pt
from polytask.options import StudyConfig, checked
from polytask.studies import load_data
config = checked(StudyConfig, {"tables": {"t": {"file": "table.csv", "targets": ["sum", "first"]}}, "arms": ["single", "equal"],
                               "seeds": 2, "workers": 2, "preset": "quick", "training": {"epochs": 1}}, where="study")
data = load_data(config)
pt.Study(data.sources, data.tasks, config=data.config).run("out")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table, and with modules that take the places of others if they can."""
    folder = tmp_path / "data"
    folder.mkdir()
    x = np.random.default_rng(0).normal(size=(120, 3))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "sum": x.sum(1), "first": x[:, 0] * 2})
    frame.to_csv(folder / "table.csv", index=False)
    for name in ("numbers", "json", "random", "numpy", "torch", "joblib", "psutil"):
        (folder / f"{name}.py").write_text(EVIL, encoding="utf-8")
    (tmp_path / "api.py").write_text(API, encoding="utf-8")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in that folder; nothing that lies there may have been imported."""
    marker = folder.parent / "marker"
    known = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**known, "MARKER": str(marker), "OMP_NUM_THREADS": "1"}, timeout=300
    )
    assert not marker.exists(), marker.read_text(encoding="utf-8")
    return done


def console_script() -> str:
    """Of this environment."""
    found = shutil.which("polytask", path=str(Path(sys.executable).parent))
    assert found is not None, "the package is installed"
    return found


@pytest.mark.slow
def test_nothing_beside_the_data_is_imported_by_one_process(folder: Path) -> None:
    done = run(folder, console_script(), "train", "table.csv", *OPTIONS[:7], "--epochs", "1", "-q", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "run.yaml").exists()


@pytest.mark.slow
@pytest.mark.sampled(3, sweep=3)
@pytest.mark.parametrize("how", ["script", "module", "api"])
def test_nothing_beside_the_data_is_imported_by_workers(folder: Path, how: str) -> None:
    study = ("study", "table.csv", *OPTIONS, "--preset", "quick", "--arms", "single,equal", "--workers", "2", "--out", "out")
    command = {
        "script": (console_script(), *study),
        "module": (sys.executable, "-m", "polytask", *study),
        "api": (sys.executable, str(folder.parent / "api.py")),
    }[how]
    done = run(folder, *command)
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "verdict.json").exists()


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """The command in this process, in that folder: what it says where it is refused, and nothing where it is done."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importing, "_folders", [])

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["polytask", *arguments])
        try:
            main()
        except SystemExit as end:
            output = capsys.readouterr().err
            assert end.code in (0, None, 2), output
            return output if end.code == 2 else ""
        return ""

    yield call


@pytest.mark.slow
def test_components_of_users_on_the_command_line(folder: Path, call: Callable[..., str], compass: Path, tmp_path: Path) -> None:
    """From a folder that is named, in workers, in a run.yaml that is allowed, and in a model to which it is given."""
    theirs = tmp_path / "theirs"
    shutil.copytree(compass, theirs)
    (theirs / "json.py").write_text(EVIL, encoding="utf-8")
    named = ("--import-path", str(theirs))
    study = ("study", "table.csv", *OPTIONS, "--workers", "2", "--encoder", "tabular(hidden=[4])")
    arms = ("--arms", "single,compass.training:LossPower(power=0.25)@compass.networks:Scaled,compass.baselines:NearestRow(rows=30)")
    refused = call(*study, *arms, "--out", "refused")
    assert "--import-path" in refused
    assert len(refused.splitlines()) == 1
    assert not call(*study, *arms, *named, "--out", "out")

    again = ("study", "out/run.yaml", "-q", "--out", "again")
    assert "--allow-imports" in call(*again)
    assert not call(*again, "--allow-imports")
    assert (folder / "out" / "verdict.json").read_bytes() == (folder / "again" / "verdict.json").read_bytes()

    train = ("train", "table.csv", *OPTIONS[:7], "--epochs", "1", "-q", "--architecture", "compass.networks:Scaled", "--out", "trained")
    assert not call(*train, "--balancer", "compass.training:LossPower")
    assert yaml.safe_load((folder / "trained" / "run.yaml").read_text(encoding="utf-8"))["balancer"] == "compass.training:LossPower"
    predict = ("predict", "trained", "table.csv", "--out", "predicted.csv")
    assert "--component compass.networks:Scaled" in call(*predict)
    assert "an import path package.module:Name is needed (found 'scaled')" in call(*predict, "--component", "scaled")
    assert "Did you mean 'Scaled'" in call(*predict, "--component", "compass.networks:Scalde")
    assert not call(*predict, "--component", "compass.networks:Scaled")
    assert len(pd.read_csv(folder / "predicted.csv")) == 120
    evaluate = ("evaluate", "trained", "table.csv", "--component", "compass.networks:Scaled")
    assert not call(*evaluate)
    stored = folder / "trained" / "run.yaml"
    stored.write_text(stored.read_text(encoding="utf-8").replace("first: regression", "first: numbers.evil:Kind"), encoding="utf-8")
    assert "--component numbers.evil:Kind" in call(*evaluate)
