"""The command line as its user meets it: what it prints, how it ends, and that it never shows a traceback."""

from __future__ import annotations

import json
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polytask.cli import app
from polytask.cli.generate_command import offered_fields
from polytask.options import StudyConfig, TrainConfig
from polytask.storage import read_yaml

HANGS = 900  # seconds: who takes so long hangs, however busy the machine is
TINY = ["--seeds", "2", "--epochs", "1", "--set", "training.checkpoint_seconds=0"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "polytask", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=HANGS)


HELP_OF_ALL = """
import sys
from polytask.cli import main
for command in ([], ["study"], ["train"], ["relate"], ["curve"], ["data"], ["methods"], ["report"], ["verdict"], ["demo"], ["init"]):
    print(">>>", *command)
    sys.argv = ["polytask", *command, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code
    heavy = {"torch", "pandas", "scipy", "numpy", "pyarrow", "sklearn", "joblib", "matplotlib"} & set(sys.modules)
    assert not heavy, (command, heavy)
"""


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts = done.stdout.split(">>>")[1:]
    assert len(texts) == 11
    assert all("--help" in text for text in texts)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["study", "mnist-fashon"], "Did you mean 'mnist-fashion'"),
        (["study", "mnist-fashion", "--arms", "single,uncertanty"], "Did you mean 'uncertainty'"),
        (["study", "mnist-fashion", "--arms", "equal"], "Add 'single'"),
        (["study", "mnist-fashion", "--seeds", "1"], "at least 2 different seeds"),
        (["study", "mnist-fashion", "--size", "huge"], "unknown size"),
        (["study", "mnist-fashion", "--margins", "digit"], "name=value"),
        (["study", "mnist-fashion", "--margins", "digits=0.01"], "does not exist"),
        (["study", "mnist-fashion", "--set", "training.lr=fast"], "training.lr"),
        (["study", "mnist-fashion", "--set", "nonsense"], "name=value"),
        (["study", "nowhere.yaml"], "nowhere.yaml"),
        (["train", "mnist-fashion", "--balancer", "uncertaintly"], "Did you mean 'uncertainty'"),
        (["train", "mnist-fashion", "--balancer", "single"], "one network learns all tasks"),
        (["train", "mnist-fashion", "--optimizer", "Sdg"], "Did you mean 'SGD'"),
        (["methods", "balancers"], "Did you mean 'balancer'"),
        (["report", "nowhere"], "this file is missing"),
        (["data", "describe", "mnist"], "Did you mean 'mnist-fashion'"),
        (["data", "fetch", "nist"], "unknown data set"),
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
    assert call(*arguments) == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert text in output
    assert output.count("\n") == 1
    assert not list(tmp_path.rglob("verdict.json"))


def test_an_unknown_command_is_exit_2(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("studdy") == app.EXIT_USER_ERROR
    assert "study" in capsys.readouterr().err


def test_a_file_where_the_folder_must_be(call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert call("study", "mnist-fashion", "--out", str(tmp_path / "file" / "run")) == app.EXIT_USER_ERROR
    assert "a file exists where a folder is needed" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_corrupt_file_of_the_full_data(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03 not images")
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path))
    assert call("study", "mnist-fashion", "--size", "full", "--out", str(tmp_path / "run")) == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in output
    assert output.count("\n") == 1


def test_a_bug_is_a_short_text_with_a_file(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "app", operator.index)  # no function of a file, so that no file but polytask's is in the traceback
    assert call("methods") == app.EXIT_BUG
    output = capsys.readouterr().err
    assert "TypeError: 'list' object cannot be interpreted as an integer" in output
    assert "Traceback" not in output
    report = Path(output.rsplit(" ", 1)[1].strip())
    assert "Traceback" in report.read_text()
    report.unlink()


def test_methods_prints_every_row(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    from polytask.registry import all_specs

    assert call("methods") == 0
    output = capsys.readouterr().out
    assert all(row.name in output for row in all_specs())


@pytest.mark.slow
def test_a_study_is_repeated_by_its_own_configuration(call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call("study", "mnist-fashion", *TINY, "--arms", "single,equal", "--out", str(tmp_path / "a"), "-q") == 0
    output = capsys.readouterr().out
    assert "digit" in output
    assert "garment" in output
    assert (tmp_path / "a" / "report.html").stat().st_size > 10_000
    assert call("study", str(tmp_path / "a" / "run.yaml"), "--out", str(tmp_path / "b"), "-q") == 0
    for name in ("verdict.json", "predictions.parquet", "run.yaml", "history.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert call("study", "mnist-fashion", *TINY, "--out", str(tmp_path / "a")) == app.EXIT_USER_ERROR
    (tmp_path / "a" / "report.html").unlink()
    assert call("report", str(tmp_path / "a")) == 0
    assert (tmp_path / "a" / "report.html").exists()


def test_train_writes_a_model_that_predicts(call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import polytask as pt

    out = tmp_path / "run"
    assert call("train", "mnist-fashion", "--epochs", "2", "--out", str(out), "--threads", "1", "--balancer", "uncertainty") == 0
    assert "digit (validation): accuracy" in capsys.readouterr().out
    assert read_yaml(out / "run.yaml")["training"]["epochs"] == 2
    source = pt.datasets.get_dataset("mnist-fashion").test()[1]
    predicted = pt.load(out).predict(source.inputs[:500], "fashion-mnist")["garment"]
    assert (predicted.to_numpy() == source.labels["garment"][:500]).mean() > 0.5


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2)).round(3)
    pd.DataFrame(x, columns=["age", "visits"]).assign(value=x.sum(1), profit=x @ [1.0, -1.0]).to_csv(tmp_path / "sales.csv", index=False)
    choices = ["--preset", "quick", "--seeds", "4", "--epochs", "40", "--arms", "single,equal", "--workers", "2"]
    command = [sys.executable, "-m", "polytask", "study", str(tmp_path / "sales.csv"), "--targets", "value", "profit", *choices]
    out = ["--out", str(tmp_path / "run")]
    # A shell that runs the tests in the background has its children ignore Ctrl-C, and they hand that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([*command, *out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + HANGS
    try:
        while not list((tmp_path / "run").glob("checkpoints/*/network/manifest.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, output = process.communicate(timeout=HANGS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, output
    assert output.strip().splitlines()[-1].startswith("interrupted.")
    assert "Traceback" not in output
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("checkpoints/*/network/manifest.json")}
    assert kept
    again = subprocess.run([*command, *out], capture_output=True, text=True, timeout=HANGS)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["test_openings"] == 1


@pytest.mark.parametrize(("command", "option"), [("train", "--lr-multipliers"), ("train", "--weights"), ("study", "--margins")])
def test_options_have_the_names_of_their_fields(command: str, option: str) -> None:
    fields = {field.flag.option(field.name) for _, field in offered_fields({"train": TrainConfig, "study": StudyConfig}[command])}
    assert option in fields
