"""Signals end a command soon, with their exit code and a checkpoint; a reader that leaves ends nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]
LONGEST = 300


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose epochs take a second with small batches."""
    drawn = np.random.default_rng(0).normal(size=(300, 3)).round(3)
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    table = pd.DataFrame(drawn, columns=["a", "b", "c"]).assign(price=drawn.sum(1), plan=np.where(drawn[:, 0] > 0, "u", "v"))
    table.to_csv(path, index=False)
    return path


def command(table: Path, out: Path) -> list[str]:
    options = ["--epochs", "3", "--batch-size", "2", "--threads", "1", "--balancer", "famo", "--set", "training.checkpoint_seconds=0.2"]
    return [sys.executable, "-m", "polytask", "train", str(table), "--targets", "price", "plan", *options, "--out", str(out)]


def weights(run: Path) -> str:
    return hashlib.sha256((run / "model" / "network-1" / "tensors.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def expected(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of a run that nothing has interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(command(sales, run), check=True, capture_output=True)
    return weights(run)


def started(arguments: list[str], out: Path) -> subprocess.Popen[str]:
    """The command, once it has saved a state."""
    # A process inherits what the tests ignore, such as SIGHUP under nohup.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for number, handler in before.items():
        signal.signal(number, handler)
    deadline = time.monotonic() + LONGEST
    while not list(out.glob("checkpoints/*/state/manifest.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.sampled(3, sweep=3)
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_saves_the_state_and_the_same_command_goes_on(name: str, code: int, sales: Path, expected: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = started(command(sales, out), out)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=LONGEST)
    assert process.returncode == code, error
    assert error.startswith("interrupted. The training state is kept in")
    assert error.count("\n") == 1
    assert subprocess.run(command(sales, out), capture_output=True).returncode == 0
    assert weights(out) == expected


def test_a_reader_that_leaves_does_not_end_training(sales: Path, expected: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(command(sales, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(LONGEST) == 0
    assert weights(out) == expected


@pytest.mark.sampled(2, sweep=2)
@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_no_worker_outlives_a_killed_study(seconds: float, sales: Path, tmp_path: Path) -> None:
    study = [
        "study",
        str(sales),
        "--targets",
        "price",
        "plan",
        "--seeds",
        "2",
        "--epochs",
        "50",
        "--workers",
        "2",
        "--out",
        str(tmp_path / "r"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "polytask", *study, "--out", str(tmp_path / "r")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parent, deadline = psutil.Process(process.pid), time.monotonic() + LONGEST
    while len(children := parent.children(recursive=True)) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(seconds)
    children = parent.children(recursive=True)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, [child.cmdline() for child in alive]
    assert gone


SLOW_IMPORT = """
import time
time.sleep(1.5)
print("whole", flush=True)
"""
IMPORTING = """
import os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from polytask.cli.interrupts import InterruptedRunError, exit_code, handled_signals
with handled_signals():
    try:
        print("begun", flush=True)
        import slow_module
        time.sleep(60)
    except InterruptedRunError:
        sys.exit(exit_code())
    finally:
        print("slow_module" in sys.modules, flush=True)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_waits_for_an_import_to_end(name: str, code: int, tmp_path: Path) -> None:
    """An exception that comes out of compiled code which is being initialized can abort the process."""
    (tmp_path / "slow_module.py").write_text(SLOW_IMPORT)
    (tmp_path / "program.py").write_text(IMPORTING)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, str(tmp_path / "program.py")], stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGHUP, before)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.3)
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=LONGEST)
    assert (process.returncode, output) == (code, "whole\nTrue\n")


PROGRAM = """
import os, signal, sys, time
from polytask.cli.interrupts import InterruptedRunError, exit_code, explain_interrupt, handled_signals

def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10**6): pass

class Interrupted:
    __del__ = interrupt

try:
    with handled_signals(), explain_interrupt("kept"):
        {statement}
        time.sleep(60)
except InterruptedRunError:
    sys.exit(exit_code())
"""


@pytest.mark.parametrize("statement", ['exec("interrupt()")', "Interrupted()"], ids=["a text", "a finalizer"])
def test_an_interrupt_ends_a_command_wherever_it_arrives(statement: str, tmp_path: Path) -> None:
    """Python ends `python -m polytask` by the signal itself if it arrives in code from a text, and ignores exceptions of finalizers."""
    (tmp_path / "program.py").write_text(PROGRAM.format(statement=statement))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, capture_output=True, timeout=50)
    signal.signal(signal.SIGINT, before)
    assert (done.returncode, done.stderr) == (130, b"")
