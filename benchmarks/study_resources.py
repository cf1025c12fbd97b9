"""Measure the resources of parallel jobs of a study: CPU time, and memory of each process and of all together.

    python benchmarks/study_resources.py [--megabytes 400] [--tasks 14] [--jobs 8] [--workers 2] [--backend loky|dask]

A table of 200,000 rows of float32 numbers, with as many columns as the megabytes require, and a label in words per task; each job trains
a small network for all tasks for one epoch. Memory is read five times a second from every process of the run, as Linux reports it: the
memory that is in no file, which belongs to the process alone, and its proportional set size, so that the sum counts shared memory once. CPU
time is that of all processes; wall time is meaningful only on a quiet machine.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np
import psutil

from polytask.data import Source
from polytask.options import StudyConfig
from polytask.studies.execution.job_training import make_jobs
from polytask.studies.execution.run_jobs import ignore_study_progress, train_jobs
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.spec.arms import parse_arm
from polytask.tasks import Multiclass

ROWS = 200_000
WORDS = ("never", "seldom", "often", "always")
SECONDS_BETWEEN_LOOKS = 0.2
MEGABYTE = 2**20


@dataclass
class Figures:
    """Peak memory of the processes of this run, in bytes, and their CPU time.

    Attributes:
        parent: Unshared memory of this process.
        worker: Unshared memory of the largest worker.
        together: Memory of all processes, with shared memory counted once.
        seconds: CPU time per process ID, in seconds.
    """

    parent: int = 0
    worker: int = 0
    together: int = 0
    seconds: dict[int, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample the processes while the context is active."""
        before = _seconds(psutil.Process())
        watcher = threading.Thread(target=self._keep_looking, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()
            self._look()
            self.seconds[psutil.Process().pid] -= before

    def _keep_looking(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        this = psutil.Process()
        own, shared = [], []
        for process in (this, *this.children(recursive=True)):
            with suppress(psutil.Error):  # the process has ended
                found = process.memory_full_info()  # has `shared` and `pss` on Linux only
                own.append(int(found.rss - found.shared))
                shared.append(int(found.pss))
                self.seconds[process.pid] = _seconds(process)
        self.parent = max(self.parent, own[0])
        self.worker = max(self.worker, *own[1:], 0)
        self.together = max(self.together, sum(shared))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def made(megabytes: int, tasks: int) -> tuple[Source, tuple[Multiclass, ...]]:
    """Return the table and its tasks; each label is the quartile of a mean of four columns."""
    random = np.random.default_rng(0)
    columns = max(4, megabytes * MEGABYTE // (4 * ROWS))
    inputs = random.random((ROWS, columns), dtype=np.float32)
    words = np.array(WORDS, dtype=object)
    labels = {}
    for task in range(tasks):
        mean = inputs[:, random.integers(columns, size=4)].mean(axis=1)
        labels[f"answer {task}"] = words[np.searchsorted(np.quantile(mean, (0.25, 0.5, 0.75)), mean)]
    return Source("survey", inputs, labels), tuple(Multiclass(name=name, classes=WORDS) for name in labels)


def seconds(source: Source, tasks: Sequence[Multiclass], jobs: int, workers: int) -> float:
    """Train `jobs` networks, and return the wall time in seconds."""
    training = {"epochs": 1, "batch_size": 2048, "threads": 1, "precision": "float32", "validation_fraction": 0.1}
    config = StudyConfig(encoder="mlp", encoder_options={"hidden": (32,)}, training=training)
    with tempfile.TemporaryDirectory() as folder:
        wanted = make_jobs([parse_arm("equal", [task.name for task in tasks])], range(jobs), Path(folder))
        assigned = make_job_context(config, [source], tasks)
        started = time.monotonic()
        train_jobs(wanted, assigned, workers, ignore_study_progress)
        return time.monotonic() - started


@contextmanager
def backend(name: str, workers: int) -> Iterator[None]:
    """Start Dask workers on this machine if the backend is dask."""
    if name != "dask":
        yield
        return
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        yield


def main() -> None:
    """Run the benchmark and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--tasks", type=int, default=14)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backend", default="loky", choices=["loky", "dask"])
    chosen = parser.parse_args()
    source, tasks = made(chosen.megabytes, chosen.tasks)
    found = Figures()
    with backend(chosen.backend, chosen.workers), found.watched():
        took = seconds(source, tasks, chosen.jobs, chosen.workers)
    print(
        f"{chosen.backend}, workers {chosen.workers}, jobs {chosen.jobs}, inputs {source.inputs.nbytes / MEGABYTE:,.0f} MB: "
        f"processor {sum(found.seconds.values()):.0f} s, clock {took:.0f} s"
    )
    memory = {"this process": found.parent, "largest worker": found.worker, "all together": found.together}
    print("; ".join(f"{name} {size / MEGABYTE:,.0f} MB" for name, size in memory.items()))


if __name__ == "__main__":
    main()
