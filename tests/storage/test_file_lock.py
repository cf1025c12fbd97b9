"""The lock: one at a time, whoever dies, and whatever a lock file says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from polytask.errors import StorageError
from polytask.storage import file_lock as module
from polytask.storage.file_lock import exclusive_lock

HOLD = """
import sys, time
from pathlib import Path
from polytask.storage.file_lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("remains", [None, "999999999", "not a number", "", "1"])
def test_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remains: str | None) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0005)
    inside: list[int] = []
    most: list[int] = []

    def enter(path: Path, barrier: threading.Barrier, number: int) -> None:
        barrier.wait()
        with exclusive_lock(path):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(number)

    for trial in range(30):
        path, barrier = tmp_path / f"lock-{trial}", threading.Barrier(4)
        if remains is not None:
            path.write_text(remains)
        threads = [threading.Thread(target=enter, args=(path, barrier, number), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=300)
        assert not path.exists()
    assert most == [1] * 120


@pytest.mark.slow
def test_another_process_is_waited_for_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    entered = threading.Event()

    def enter() -> None:
        with exclusive_lock(path):
            entered.set()

    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        thread = threading.Thread(target=enter, daemon=True)
        thread.start()
        assert not entered.wait(0.6)
        holder.kill()
    assert entered.wait(300)
    thread.join(timeout=300)
    assert not path.exists()


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), exclusive_lock(tmp_path / "lock"):
            raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="a file exists where a folder is needed"), exclusive_lock(tmp_path / "file" / "lock"):
        pass


def test_what_shall_not_be_waited_for_is_refused(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "lock"):
        with pytest.raises(StorageError, match="another run is using this folder"), exclusive_lock(tmp_path / "lock", wait=False):
            pytest.fail("both were inside")
        assert (tmp_path / "lock").exists(), "the refused one removed it"
    with exclusive_lock(tmp_path / "lock", wait=False):
        assert (tmp_path / "lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_file_system_without_locks_is_worked_on_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with exclusive_lock(tmp_path / "lock", wait=False):
        assert (tmp_path / "lock").exists()
