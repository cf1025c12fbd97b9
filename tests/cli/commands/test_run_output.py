"""Where commands write: the demo, numbered folders, and --overwrite."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from polytask.cli import app
from polytask.options import StudyConfig
from polytask.storage import read_yaml
from polytask.studies import Study
from polytask.studies.setup.run_folder import RunFolder


def test_the_demo_is_the_study_of_its_data_set(call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.ci/run` trains it."""
    started: list[tuple[StudyConfig, Path]] = []

    def record(study: Study, folder: Path, _: object) -> None:
        started.append((study.config, folder))
        folder.mkdir(exist_ok=True)
        (folder / "log.txt").touch()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Study, "run", record)
    monkeypatch.setattr("polytask.cli.commands.study._show_result", lambda *_: None)
    for arguments in (("demo", "-q"), ("study", "mnist-fashion", "--out", "mine", "-q"), ("demo", "--set", "seeds=2", "-q")):
        assert call(*arguments) == 0
    (demo, first), (study, _), (tiny, second) = started
    assert demo == study
    assert (demo.source, demo.looks, len(tiny.seeds)) == ("mnist-fashion", (5, 8, 12), 2)
    assert (first, second) == (Path("runs/demo"), Path("runs/demo-2"))


@pytest.mark.slow
def test_folders_number_themselves_and_overwrite_replaces(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    table = "a,b,value,churn\n" + "".join(f"{row % 7},{row % 5},{row % 7 * 1.5},{'yes' if row % 5 > 1 else 'no'}\n" for row in range(80))
    Path("t.csv").write_text(table)
    command = ("train", "t.csv", "--targets", "value", "churn", "--epochs", "1", "-q")
    for folder in ("train-t", "train-t-2"):
        assert call(*command) == 0
        assert f"Everything is in runs/{folder}" in capsys.readouterr().out
    before = Path("runs/train-t/history.csv").read_bytes()
    assert call(*command, "--out", "runs/train-t") == app.EXIT_USER_ERROR
    assert "--overwrite" in capsys.readouterr().err
    assert call(*command, "--seed", "1", "--out", "runs/train-t", "--overwrite") == 0
    assert read_yaml(Path("runs/train-t/run.yaml"))["seed"] == 1
    assert Path("runs/train-t/history.csv").read_bytes() != before
    assert call(*command, "--lr", "much", "--out", "runs/train-t", "--overwrite") == app.EXIT_USER_ERROR
    assert read_yaml(Path("runs/train-t/run.yaml"))["seed"] == 1  # nothing is replaced before the new run is known to be valid
    assert call(*command, "--balancer", "nonsense", "--out", "runs/train-t", "--overwrite") == app.EXIT_USER_ERROR
    assert read_yaml(Path("runs/train-t/run.yaml"))["seed"] == 1
    study = ("study", "t.csv", "--targets", "value", "churn", "--out", "runs/train-t", "--continue", "3", "--overwrite")
    assert call(*study) == app.EXIT_USER_ERROR
    assert "cannot be continued and replaced" in capsys.readouterr().err
    assert sorted(path.name for path in Path("runs").iterdir()) == ["train-t", "train-t-2"]


def test_shells_complete_commands() -> None:
    words = {"_POLYTASK_COMPLETE": "complete_bash", "COMP_WORDS": "polytask de", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['polytask']; from polytask.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | words, capture_output=True, text=True)
    assert done.stdout.split() == ["demo"], done.stderr


def test_a_run_is_completed_with_its_own_options(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    table = "a,b,value,churn\n" + "".join(f"{row % 7},{row % 5},{row % 7 * 1.5},{'yes' if row % 5 > 1 else 'no'}\n" for row in range(80))
    Path("t.csv").write_text(table)
    command = ("train", "t.csv", "--targets", "value", "churn", "--epochs", "2", "--seed", "3", "--threads", "1", "-q")
    assert call(*command, "--out", "whole") == 0
    with monkeypatch.context() as context:
        context.setattr(RunFolder, "delete_checkpoints", killed)
        assert call(*command, "--out", "begun") == 130
    Path("elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    begun = tmp_path / "begun"
    capsys.readouterr()
    for more, text in (
        (("--epochs", "5"), "another unfinished run (training.epochs"),
        (("--out", "other"), "--resume: a run is completed with its own source and folder (found --out)"),
        (("--overwrite",), "found --overwrite"),
        (("t.csv",), "found source"),
    ):
        assert call("train", "--resume", str(begun), *more) == app.EXIT_USER_ERROR
        found = capsys.readouterr().err
        assert text in found
        assert found.count("\n") == 1
    assert call("study", "--resume", str(begun)) == app.EXIT_USER_ERROR
    assert call("train", "--resume", str(tmp_path)) == app.EXIT_USER_ERROR
    assert "holds no run that has begun" in capsys.readouterr().err
    assert call("train", "--epochs", "5") == app.EXIT_USER_ERROR
    assert "a data set, a table, or a YAML file is needed" in capsys.readouterr().err
    assert call("train", "--resume", str(begun), "-q") == 0
    for file in (path for path in (tmp_path / "whole").rglob("*") if path.is_file()):
        name = file.relative_to(tmp_path / "whole")
        if "model" in name.parts or name.suffix == ".csv":
            assert file.read_bytes() == (begun / name).read_bytes(), name
    assert not (begun / "checkpoints").exists()
    assert call("train", "--resume", str(begun)) == app.EXIT_USER_ERROR
    assert "holds a finished run" in capsys.readouterr().err
