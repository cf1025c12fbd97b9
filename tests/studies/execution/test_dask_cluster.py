"""A study on a cluster: Dask's scheduler with two workers in processes of their own, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import psutil
import pytest

from polytask.errors import ConfigError, NonFiniteError, StorageError
from polytask.storage import read_yaml
from polytask.studies import Study, StudyProgress
from polytask.studies.execution.parallel_backends import choose_backend, use_cluster
from polytask.studies.execution.run_jobs import LOCK, run_in_parallel

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

FILES = ("predictions.parquet", "verdict.json", "results.csv", "history.csv")
FEW: dict[str, Any] = {"arms": ["single", "equal"], "seeds": 2}
LONG = {"epochs": 20, "batch_size": 16, "patience": None, "threads": 1, "checkpoint_seconds": 0.2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=":0") as found:
        yield found


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """A client, when both workers are there."""
    with distributed.Client(cluster) as found:
        found.wait_for_workers(2, timeout=600)
        yield found


class Killer:
    """Kills, once, a worker of a cluster that trains a network."""

    def __init__(self, client: Any) -> None:
        self.client, self.processes = client, dict(client.run(os.getpid))
        self.killed: int | None = None

    def __call__(self, progress: StudyProgress) -> None:
        """Watch a study."""
        if self.killed is None and progress.running:
            busy = [worker for worker, jobs in self.client.processing().items() if jobs]
            self.killed = self.processes[busy[0]]
            os.kill(self.killed, signal.SIGKILL)


def same_bytes(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Study], Path]:
    """The folder of the study that was run in this process."""
    folder = tmp_path_factory.mktemp("study") / "run"

    def run(study: Study) -> Path:
        return folder if (folder / "verdict.json").exists() else study.run(folder).folder

    return run


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_study_completes_when_a_worker_is_killed(
    make: Callable[..., Study], client: Any, tmp_path: Path, undisturbed: Callable[[Study], Path]
) -> None:
    killer = Killer(client)
    with joblib.parallel_config(backend="dask"):
        make(**FEW, training=LONG).run(tmp_path / "run", killer)
    assert killer.killed is not None
    assert not psutil.pid_exists(killer.killed)
    assert same_bytes(tmp_path / "run", undisturbed(make(**FEW, training=LONG)))
    assert not list((tmp_path / "run").glob("**/.*"))


def test_an_address_is_enough_and_is_not_stored(
    make: Callable[..., Study], client: Any, tmp_path: Path, undisturbed: Callable[[Study], Path]
) -> None:
    make(**FEW, training=LONG, cluster=client.scheduler.address).run(tmp_path / "run")
    assert same_bytes(tmp_path / "run", undisturbed(make(**FEW, training=LONG)))
    assert "cluster" not in read_yaml(tmp_path / "run" / "run.yaml")


def test_the_last_worker_works_too(client: Any) -> None:
    """Where there is one with one thread, joblib by itself would make the calls in this process."""
    (worker, *_) = client.nthreads()
    with joblib.parallel_config(backend="dask", workers=[worker]):
        place = choose_backend(1, workers=1)
        assert place.is_cluster
        assert place.parallel()._backend.effective_n_jobs(1) >= 2
        assert run_in_parallel(os.getpid, [()], 1) == [client.run(os.getpid)[worker]]


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="a path that means another folder in every process")
def test_workers_that_do_not_see_the_run_folder_say_so_in_one_line(
    make: Callable[..., Study], client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        joblib.parallel_config(backend="dask"),
        pytest.raises(StorageError, match=r"worker on .*does not see the run folder.*--out") as caught,
    ):
        make(**FEW, training=LONG).run("/proc/self/cwd/run")
    assert "\n" not in str(caught.value)


def test_an_error_of_a_job_arrives_as_it_is(make: Callable[..., Study], client: Any, tmp_path: Path) -> None:
    with joblib.parallel_config(backend="dask"), pytest.raises(NonFiniteError, match=r"no longer a finite number"):
        make(**FEW, training={"epochs": 1, "lr": 1e30, "threads": 1}).run(tmp_path / "run")


def test_workers_that_share_a_process_are_refused(make: Callable[..., Study], tmp_path: Path) -> None:
    one = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
    with one as threads, distributed.Client(threads), joblib.parallel_config(backend="dask"):
        with pytest.raises(ConfigError, match=r"share a process .*found 2 threads.*--nthreads 1") as caught:
            make(**FEW).run(tmp_path / "run")
        assert "\n" not in str(caught.value)
        assert not list((tmp_path / "run").iterdir())


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.studies.execution.dask_cluster.SECONDS_TO_CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense", "nonsense://x:1"):
        with (
            pytest.raises(ConfigError, match=r"no Dask scheduler answers at this address .*Give the address") as caught,
            use_cluster(address),
        ):
            pass
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_on_the_command_line_leaves_nobody_at_work(client: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    pd.DataFrame(x, columns=list("abc")).assign(d=x[:, 0] + x[:, 1], e=x[:, 1] > 0).to_csv(tmp_path / "table.csv", index=False)
    arguments = ["study", str(tmp_path / "table.csv"), "--targets", "d,e", "--seeds", "2", "--epochs", "100000", "--patience", "100000"]
    command = [sys.executable, "-m", "polytask", *arguments, "--out", str(tmp_path / "run"), "--cluster", client.scheduler.address]
    # A shell that runs the tests in the background has its children ignore Ctrl-C, and they hand that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    try:
        wait_until(lambda: bool(list((tmp_path / "run").rglob("status.json"))) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=600)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, output
    assert "Finished networks are kept" in output
    wait_until(lambda: not list((tmp_path / "run").rglob(LOCK)))  # which a worker holds as long as it trains
    files = snapshot(tmp_path / "run")
    time.sleep(0.6)
    assert snapshot(tmp_path / "run") == files
    assert not list((tmp_path / "run").rglob("permit"))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def snapshot(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
