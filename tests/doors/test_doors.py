"""Every door for data and training: two workers, `run.yaml` and a resumed run give the same bytes, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import psutil
import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
LONGEST = 300
MODEL = ("--model", "door_data:Net", "--epochs", "6", "--batch-size", "16", "--set", "training.checkpoint_seconds=0.1")
FUNCTION = ("--train", "door_data:fit", "--epochs", "2")
DOORS = {
    "array, model": ("array", MODEL),
    "data set, model": ("dataset", MODEL),
    "folder, model": ("folder", MODEL),
    "Hugging Face, model": ("hugging-face", MODEL),
    "data set, function": ("plain-dataset", FUNCTION),
    "folder, function": ("plain-folder", FUNCTION),
}


def words(size: str, options: tuple[str, ...], out: Path, workers: int = 1) -> list[str]:
    """The words of a study."""
    arms = "single,joint" if "--train" in options else "single,equal"
    fixed = ["--arms", arms, "--seeds", "2", "--threads", "1", "--import-path", str(HERE), "-q"]
    return ["study", "door_data:Door", "--size", size, *options, *fixed, "--workers", str(workers), "--out", str(out)]


def interrupted(command: list[str], begun: Callable[[], bool]) -> tuple[int, str, list[psutil.Process]]:
    """The exit code of a program that got Ctrl-C as from a terminal, its errors, and the processes that have outlived it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background inherits that it is ignored
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + LONGEST
    while not begun():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=LONGEST)
    _, alive = psutil.wait_procs(children, timeout=20)
    return process.returncode, error, alive


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.sampled(6, sweep=2)
@pytest.mark.parametrize("door", DOORS)
def test_the_command_line_gives_the_same_bytes_whatever_happens(
    door: str, own_module: Callable[[Path, str], ModuleType], call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, options = DOORS[door]
    library = {"folder": "PIL", "plain-folder": "PIL", "hugging-face": "datasets"}.get(size)
    if library is not None and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    monkeypatch.setenv("DOOR_DATA", str(tmp_path / "data"))
    own_module(HERE, "door_data")
    assert call(*words(size, options, tmp_path / "whole")) == 0

    def same(run: str) -> bool:
        whole, other = ((tmp_path / name / "predictions.parquet").read_bytes() for name in ("whole", run))
        return whole == other

    finished = "*/network/manifest.json" if "--train" in options else "*/state/manifest.json"
    monkeypatch.setenv("DOOR_SECONDS", "0.5")
    code, error, alive = interrupted(
        ["-m", "polytask", *words(size, options, tmp_path / "resumed")], lambda: any((tmp_path / "resumed" / "checkpoints").glob(finished))
    )
    assert (code, error.count("\n"), alive) == (130, 1, []), error
    assert error.startswith("interrupted. Finished networks are kept in ")
    monkeypatch.delenv("DOOR_SECONDS")
    assert call(*words(size, options, tmp_path / "resumed")) == 0
    assert same("resumed")
    assert not list((tmp_path / "resumed").rglob("*.part"))
    assert call("study", tmp_path / "whole" / "run.yaml", "--allow-imports", "--import-path", HERE, "-q", "--out", tmp_path / "again") == 0
    assert same("again")
    assert call(*words(size, options, tmp_path / "two", workers=2)) == 0
    assert same("two")


SCRIPT = """
import sys

import pandas as pd

import polytask as pt

if __name__ == "__main__":
    table, out, workers = sys.argv[1:]
    few = {"epochs": 6, "batch_size": 8, "threads": 1, "checkpoint_seconds": 0.1, "seeds": 2, "arms": ["single", "equal"]}
    pt.study(pd.read_csv(table), targets=["price", "plan"], out=out, workers=int(workers), **few)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_study_of_a_data_frame_gives_the_same_bytes_whatever_happens(call: Callable[..., int], tmp_path: Path) -> None:
    """A script of a user ends as Python ends, with one traceback: that of the script."""
    import numpy as np
    import pandas as pd

    drawn = np.random.default_rng(0).normal(size=(300, 3)).round(3)
    table, script = tmp_path / "table.csv", tmp_path / "script.py"
    frame = pd.DataFrame(drawn, columns=["a", "b", "c"]).assign(price=drawn.sum(1), plan=np.where(drawn[:, 0] > 0, "u", "v"))
    frame.to_csv(table, index=False)
    script.write_text(SCRIPT)

    def started(run: str, workers: int = 1) -> list[str]:
        return [str(script), str(table), str(tmp_path / run), str(workers)]

    for run, workers in (("whole", 1), ("two", 2)):
        subprocess.run([sys.executable, *started(run, workers)], check=True, timeout=LONGEST)
    run = tmp_path / "resumed"
    code, error, alive = interrupted(started("resumed"), lambda: any((run / "checkpoints").glob("*/state/manifest.json")))
    assert (code, error.count("Traceback"), alive) == (-signal.SIGINT, 1, []), error
    subprocess.run([sys.executable, *started("resumed")], check=True, timeout=LONGEST)
    assert call("study", tmp_path / "whole" / "run.yaml", "-q", "--out", tmp_path / "again") == 0
    whole, *others = ((tmp_path / name / "predictions.parquet").read_bytes() for name in ("whole", "two", "resumed", "again"))
    assert others == [whole] * 3
