"""Workers end with their parent, and leave Ctrl-C to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from polytask.errors import PolytaskError
from polytask.studies.execution.run_jobs import run_in_parallel

PARENT = """
import os, sys, time
from pathlib import Path
from polytask.errors import PolytaskError
from polytask.studies.execution.run_jobs import run_in_parallel
def job(name):
    (Path(sys.argv[1]) / name).write_text(str(os.getpid()))
    time.sleep(600)
run_in_parallel(job, [("one",), ("two",)], 2)
"""


def _wait_for(paths: list[Path]) -> list[int]:
    deadline = time.monotonic() + 600
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(path.read_text()) for path in paths]


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = PARENT.replace("sys.argv[1]", repr(str(tmp_path)))  # workers have other arguments
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as parent:
        workers = [psutil.Process(number) for number in _wait_for([tmp_path / "one", tmp_path / "two"])]
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=300)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_workers_ignore_ctrl_c_and_a_call_in_this_process_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    handlers = run_in_parallel(signal.getsignal, [(signal.SIGINT,)] * 2, 2)
    assert handlers == [signal.SIG_IGN, signal.SIG_IGN]
    assert run_in_parallel(signal.getsignal, [(signal.SIGINT,)] * 2, 1) == [before, before]


@pytest.mark.slow
def test_a_worker_that_the_system_has_ended_is_one_line() -> None:
    text = r"workers: the system killed a worker process, .* \(found 2\)\. Use fewer --workers; finished networks are kept"
    with pytest.raises(PolytaskError, match=text) as caught:
        run_in_parallel(os._exit, [(1,), (1,)], 2)
    assert "\n" not in str(caught.value)
    assert run_in_parallel(abs, [(-1,), (-2,)], 2) == [1, 2]
