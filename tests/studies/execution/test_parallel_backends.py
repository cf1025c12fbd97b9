"""Where calls run: what joblib's active backend means for a study."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import BACKENDS, ThreadingBackend

from polytask.errors import ConfigError, MissingExtraError, PolytaskError
from polytask.options import StudyConfig, differences
from polytask.registry import add_import_path, importing
from polytask.storage import read_yaml
from polytask.studies import Study
from polytask.studies.execution import worker as worker_module
from polytask.studies.execution.job_training import load_job_network, make_jobs, train_job
from polytask.studies.execution.parallel_backends import WorkerBackend, choose_backend, use_cluster
from polytask.studies.execution.run_jobs import run_in_parallel
from polytask.studies.execution.worker import WorkerCall, run_in_worker
from polytask.studies.setup.resolve_config import make_job_context, resolve_config
from polytask.studies.spec.arms import parse_arm


def test_processes_know_the_folders_before_they_unpickle_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other folders are other arguments, for which loky starts new processes."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(BACKENDS["loky"], "configure", lambda self, **options: given.update(options) or 2)
    monkeypatch.setattr(importing, "_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    add_import_path(tmp_path)
    assert WorkerBackend().configure(n_jobs=2) == 2
    sys.path.remove(str(tmp_path))
    monkeypatch.setattr(importing, "_end_with_parent", lambda parent: None)  # this process is no worker
    monkeypatch.setattr(importing.signal, "signal", lambda number, handler: None)
    given["initializer"](*given["initargs"])
    assert str(tmp_path) in sys.path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend that this project knows nothing of, as Ray's is: processes of this computer pose as a cluster."""

    class Elsewhere(BACKENDS["loky"]):  # type: ignore[misc]
        pass

    monkeypatch.setitem(BACKENDS, "elsewhere", Elsewhere)
    return "elsewhere"


def test_processes_of_this_computer_are_the_default() -> None:
    place = choose_backend(5, workers=2)
    assert (place.name, place.workers, place.runs_in_process, place.is_cluster) == ("loky", 2, False, False)
    assert choose_backend(1, workers=2).runs_in_process
    with joblib.parallel_config(n_jobs=7):
        assert choose_backend(5, workers=2).workers == 2


@pytest.mark.slow
def test_no_worker_has_the_working_folder_on_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor where this process has it, as in a notebook; it keeps its own path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    own = list(sys.path)
    get_reusable_executor().shutdown(wait=True)  # processes of an earlier test would have its working folder
    for path in run_in_parallel(getattr, [(sys, "path")] * 2, workers=2):
        assert path == [entry for entry in own if entry not in ("", str(tmp_path))]
    assert sys.path == own
    assert "PYTHONSAFEPATH" not in os.environ


def test_one_after_the_other_is_this_process() -> None:
    with joblib.parallel_config(backend="sequential"):
        assert choose_backend(5, workers=2).runs_in_process


def test_threads_are_refused_in_one_line(make: Callable[..., Study], tmp_path: Path) -> None:
    with joblib.parallel_config(backend="threading"), pytest.raises(ConfigError, match=r"share a process.*backend='loky'") as caught:
        make(workers=2).run(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run").iterdir())


def test_within_a_worker_of_joblib_there_are_processes_all_the_same() -> None:
    """joblib would take threads there, which nobody has asked for."""
    with joblib.parallel_config(backend=ThreadingBackend(nesting_level=1)):
        assert choose_backend(5, workers=2).name == "loky"


@pytest.mark.slow
def test_a_backend_of_somebody_else_gives_the_same_bytes(make: Callable[..., Study], tmp_path: Path, elsewhere: str) -> None:
    few = {"arms": ["single", "equal"]}
    make(**few).run(tmp_path / "here")
    with joblib.parallel_config(backend=elsewhere):
        assert choose_backend(5, workers=1).is_cluster
        make(**few).run(tmp_path / "there")
    for name in ("predictions.parquet", "verdict.json", "results.csv", "history.csv", "run.yaml"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


def test_a_cluster_gets_one_thread_per_network(make: Callable[..., Study], elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers have one core each, whatever this computer has."""
    monkeypatch.setattr("polytask.training.hardware.available_cores", lambda: 4)
    monkeypatch.setattr("polytask.studies.setup.resolve_config.available_cores", lambda: 4)
    monkeypatch.setattr("polytask.training.hardware._median_seconds", lambda step, count, repeats: 1 / count)
    study = make(training={"epochs": 1})
    assert resolve_config(study.config, study.sources, study.tasks, networks=2).training.threads == 4
    with joblib.parallel_config(backend=elsewhere):
        assert resolve_config(study.config, study.sources, study.tasks, networks=2).training.threads == 1


def test_where_the_work_is_done_makes_no_other_run() -> None:
    begun = StudyConfig(workers=2)
    assert differences(StudyConfig(cluster="tcp://here:1", workers=5), begun) == ""
    assert "cluster" not in StudyConfig(cluster="tcp://here:1").model_dump(mode="json")


def test_a_study_goes_on_with_fewer_workers(make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polytask.studies.run_study as study_module

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    few = {"arms": ["single", "equal"], "training": {"epochs": 1, "threads": 1}}
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(study_module, "train_jobs", interrupted)
        make(**few, workers=2).run(tmp_path / "run")
    make(**few, workers=1).run(tmp_path / "run")
    assert read_yaml(tmp_path / "run" / "run.yaml")["workers"] == 2, "what it was begun with"


def test_without_dask_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polytask.studies.execution.dask_cluster", None)
    with pytest.raises(MissingExtraError, match=r"a cluster needs Dask\. pip install 'polytask\[dask\]'"), use_cluster("tcp://a:1"):
        pass


def test_a_cluster_without_a_worker_is_one_line(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: object, n_jobs: int) -> int:
        del self, n_jobs
        raise TimeoutError

    monkeypatch.setattr(BACKENDS[elsewhere], "effective_n_jobs", none)
    with joblib.parallel_config(backend=elsewhere), pytest.raises(PolytaskError, match=r"no worker\. Start workers"):
        run_in_parallel(abs, [(-1,)], 2)


def test_other_versions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"other package versions \(found torch .*, not 0\.1\)\. Install the same versions") as caught:
        run_in_worker(WorkerCall(abs, (-1,), parent=0, versions={"torch": "0.1"}))
    assert "\n" not in str(caught.value)


def test_calls_in_threads_of_one_process_wait_for_each_other() -> None:
    running, most = [0], [0]

    def call() -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        running[0] -= 1

    threads = [threading.Thread(target=run_in_worker, args=(WorkerCall(call, (), parent=0),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_thread_is_no_place_for_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask's workers make calls in threads, and are other people's too."""
    ended: list[int] = []
    monkeypatch.setattr(worker_module, "_exit_with_parent", ended.append)
    monkeypatch.setattr(worker_module.os, "getppid", lambda: 5)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(run_in_worker(WorkerCall(abs, (-1,), parent=5))))
    thread.start()
    thread.join()
    assert (results, ended) == ([1], [])


def test_networks_in_threads_of_one_process_are_those_trained_alone(make: Callable[..., Study], tmp_path: Path) -> None:
    study = make(encoder="residual-mlp", encoder_options={"dropout": 0.3}, training={"epochs": 4, "batch_size": 16, "threads": 1})
    config = resolve_config(study.config, study.sources, study.tasks, networks=4)
    assigned = make_job_context(config, study.sources, study.tasks)
    arm = parse_arm("equal", study.names)
    alone, together = (make_jobs([arm], [0, 1], tmp_path / name) for name in ("alone", "together"))
    for job in alone:
        train_job(job, assigned)
    before = torch.get_num_threads()
    threads = [threading.Thread(target=run_in_worker, args=(WorkerCall(train_job, (job, assigned), parent=0),)) for job in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.get_num_threads() == before
    for first, second in zip(alone, together, strict=True):
        one, other = (load_job_network(job).model.state_dict() for job in (first, second))
        assert all(torch.equal(one[name], other[name]) for name in one)


KILLED = """
import time
from polytask.studies.execution.run_jobs import run_in_parallel
run_in_parallel(time.sleep, [(60,), (60,)], 2)
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is not a folder here")  # noqa: S108 - where it is on Linux
def test_a_kill_of_all_processes_leaves_nothing_in_shared_memory(tmp_path: Path) -> None:
    def made(process: int) -> list[str]:
        return [path.name for path in Path("/dev/shm").iterdir() if str(process) in re.split(r"[-_.]", path.name)]  # noqa: S108 - as above

    program = tmp_path / "program.py"
    program.write_text(KILLED)
    process = subprocess.Popen([sys.executable, str(program)], start_new_session=True, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (made(process.pid) and len(psutil.Process(process.pid).children()) > 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert made(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    while made(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert made(process.pid) == []
