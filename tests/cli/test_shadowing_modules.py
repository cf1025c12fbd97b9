"""A working folder with a module of every name that Python knows: no command, and no process that it starts, imports one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

EVIL = """
import sys
with open({marker!r}, "a") as file:
    file.write(f"{{__name__}}\\n")
raise RuntimeError("somebody else's program")
"""
FEW = ("--targets", "sum", "first", "--epochs", "1", "--threads", "1", "-q")
STUDIED = (*FEW, "--seeds", "2", "--workers", "2", "--preset", "quick")
TRAINS = """
import numpy as np

def train(request):
    counts = {name: sum(map(len, getattr(request, name).values())) for name in ("validation", "test")}
    return {name: {task.name: np.zeros(count) for task in request.tasks} for name, count in counts.items()}
"""
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "help": (("--help",), ("study", "--help"), ("--version",)),
    "methods, schema, data and init": (("methods",), ("schema",), ("data", "list"), ("init", "table.csv")),
    "demo": (("demo", "--seeds", "2", "--out", "out"),),
    "train, predict, evaluate": (
        ("train", "table.csv", *FEW, "--out", "out"),
        ("predict", "out", "table.csv", "--out", "predicted.csv"),
        ("evaluate", "out", "table.csv"),
    ),
    "train the best of several models": (("train", "table.csv", *FEW[:3], "--model", "auto", "--minutes", "0.2", "-q", "--out", "out"),),
    "study, verdict, report": (
        ("study", "table.csv", *STUDIED, "--arms", "single,equal,linear@shared", "--out", "out"),
        ("verdict", "out"),
        ("verdict", "out/predictions.parquet"),
        ("report", "out"),
        ("study", "out/run.yaml", "--out", "again"),
    ),
    "a training function": (("study", "table.csv", *STUDIED, "--import-path", "../theirs", "--train", "own_trains:train", "--out", "out"),),
    "relate": (("relate", "table.csv", *STUDIED, "--out", "out"), ("report", "out")),
    "curve": (("curve", "table.csv", *STUDIED, "--shares", "1/2,1", "--out", "out"), ("report", "out")),
    "records of tensorboard": (("train", "table.csv", *FEW, "--logger", "tensorboard", "--out", "out"),),
    "records of mlflow": (("train", "table.csv", *FEW, "--logger", "mlflow", "--out", "out"),),
    "an error": (("train", "no-such-table.csv", *FEW), ("study", "table.csv", "--arms", "nonsense", *FEW)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table, and a module of every name in the standard library and among the installed packages."""
    folder, theirs = tmp_path / "data", tmp_path / "theirs"
    folder.mkdir()
    theirs.mkdir()
    (theirs / "own_trains.py").write_text(TRAINS)
    x = np.random.default_rng(0).normal(size=(160, 3))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "sum": x.sum(1), "first": x[:, 0] * 2}).to_csv(
        folder / "table.csv", index=False
    )
    for name in {*sys.stdlib_module_names, *packages_distributions(), "polytask", "sitecustomize", "usercustomize"}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(EVIL.format(marker=str(tmp_path / "marker")))
    return folder


def imported(folder: Path, *command: str) -> set[str]:
    """Return which modules of a folder a command imports, from there."""
    marker = folder.parent / "marker"
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "PYTHONPATH")}
    environment = {**known, "OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": "sqlite:///tracked.db"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode in (0, 2), done.stderr
    return set(marker.read_text().split()) if marker.exists() else set()


def console_script() -> str:
    found = shutil.which("polytask", path=str(Path(sys.executable).parent))
    assert found is not None, "the package is installed"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("commands", COMMANDS)
def test_the_script_imports_nothing_from_the_working_folder(folder: Path, commands: str) -> None:
    for arguments in COMMANDS[commands]:
        assert imported(folder, console_script(), *arguments) == set(), arguments


@pytest.mark.slow
@pytest.mark.parametrize("commands", ["help", "an error"])
def test_the_module_imports_nothing_from_the_working_folder_but_what_python_itself_does(folder: Path, commands: str) -> None:
    """Python itself imports a dozen modules with the working folder first on the path, before any program of ours runs: see SECURITY.md."""
    (folder.parent / "probe.py").write_text("import sys; print(*sys.modules)")
    probed = subprocess.run([sys.executable, "-m", "probe"], cwd=folder.parent, capture_output=True, text=True, check=True)
    for name in {"polytask", *probed.stdout.split()}:
        (folder / f"{name}.py").unlink(missing_ok=True)
    for arguments in COMMANDS[commands]:
        assert imported(folder, sys.executable, "-m", "polytask", *arguments) == set(), arguments


@pytest.mark.slow
def test_nothing_at_all_is_imported_with_a_safe_path(folder: Path) -> None:
    assert imported(folder, sys.executable, "-P", "-m", "polytask", "--help") == set()
