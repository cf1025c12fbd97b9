"""Parallel execution of jobs, with a report of their progress."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from joblib import delayed
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

from polytask.devices import CPU, resolve_device, worker_devices
from polytask.errors import PolytaskError
from polytask.storage import delete_checkpoints, exclusive_lock, make_folder
from polytask.studies.execution.job_training import STATE, Job, JobContext, train_job, train_job_until
from polytask.studies.execution.live_negative_transfer import NegativeTransferMonitor
from polytask.studies.execution.parallel_backends import ParallelBackend, choose_backend, cluster_errors, no_working_folder
from polytask.studies.execution.shared_data import SharedSources, share_sources
from polytask.studies.execution.study_progress import StudyProgress, read_status, write_status
from polytask.studies.execution.worker import WorkerCall, run_in_worker
from polytask.studies.setup.environment import package_versions
from polytask.training import TrainingProgress
from polytask.training.hardware import available_cores
from polytask.training.preparation.worker_memory import workers_that_fit

StudyProgressHook = Callable[[StudyProgress], None]
ResultT = TypeVar("ResultT")

STATUS_INTERVAL = 0.25
FILE_SYNC_TIMEOUT = 120.0
LOCK = ".lock"


def ignore_study_progress(progress: StudyProgress) -> None:
    """Ignore the progress."""
    del progress


def worker_count(jobs: int, requested: int | None, device: str = "cpu", need: int | None = None) -> int:
    """Return the number of processes: at most one per job, and `requested`, if that is not `None`.

    Otherwise one per core; on accelerators as many as fit into their free memory, but not more than there are cores to feed them.

    Args:
        jobs: Number of networks.
        requested: Number that the user wants.
        device: Name of the device.
        need: Bytes that a network takes on an accelerator; `None` trains one network on each.
    """
    if requested is not None:
        return max(1, min(jobs, requested))
    found = resolve_device(device)
    if found == CPU:
        return max(1, min(jobs, available_cores()))
    places = worker_devices(found, device)
    fitting = len(places) if need is None else workers_that_fit(places, need)
    return max(1, min(jobs, max(len(places), min(available_cores(), fitting))))


def device_names(device: str) -> list[str]:
    """Return the names of the devices that networks take in turn."""
    return [str(own) for own in worker_devices(resolve_device(device), device)]


def train_jobs(jobs: Sequence[Job], context: JobContext, workers: int, progress: StudyProgressHook) -> None:
    """Train every network that is not trained yet, in processes of this computer or with the active backend of joblib.

    Args:
        jobs: Jobs of all networks.
        context: Data and options shared by all jobs.
        workers: Number of processes of this computer.
        progress: Function that is called with the progress of the jobs.

    Raises:
        ConfigError: Networks would share a process, or a worker of a cluster has other package versions.
        PolytaskError: A worker was killed, or a cluster has no worker.
        StorageError: A worker cannot see the folder of the jobs.
    """
    _tidy(jobs)
    waiting = [job for job in jobs if not job.finished]
    with _progress_thread(jobs, progress, _is_finished, NegativeTransferMonitor(jobs, context.tasks)):
        train_in_parallel(train_job, [(job,) for job in waiting], context, workers, done=_is_finished)


def _tidy(jobs: Sequence[Job]) -> None:
    """Delete the states and locks of finished jobs, which a worker that was killed after its last file leaves behind."""
    for job in jobs:
        left = [path for name in (LOCK, "state*") for path in job.folder.glob(name)] if job.finished else []
        if left:
            with exclusive_lock(job.folder / LOCK):  # a worker that has lost its parent ends soon
                delete_checkpoints(job.folder / STATE)


def _is_finished(job: Job) -> bool:
    return job.finished


def train_in_parallel(
    train: Callable[..., None], arguments: Sequence[tuple[Any, ...]], context: JobContext, workers: int, *, done: Callable[[Job], bool]
) -> None:
    """Call `train(job, context, ..., progress=)` for each job; workers map the sources from files, and lock the folder of the job.

    Args:
        train: Function that trains a network, wholly or in part.
        arguments: Job and any further arguments after `context`, per call.
        context: Data and options shared by all jobs.
        workers: Number of processes of this computer.
        done: Function that returns whether the folder of a job has the files that the call should write.

    Raises:
        ConfigError: Networks would share a process, or a worker of a cluster has other package versions.
        PolytaskError: A worker was killed, or a cluster has no worker.
        StorageError: A worker cannot see the folder of the jobs.
    """
    if not arguments:
        return
    # Workers have other working directories, so paths must be absolute.
    places = device_names(context.options.device)
    calls = [
        (replace(job, folder=job.folder.absolute(), device=places[number % len(places)]), rest)
        for number, (job, *rest) in enumerate(arguments)
    ]
    place = choose_backend(len(calls), workers)
    with share_sources(context.shared_sources, calls[0][0].folder.parent, place) as common:
        bare = context.without_sources()
        run_calls(place, _train_in_worker, [(train, common, job, bare, *rest) for job, rest in calls])
    if place.is_cluster:
        _wait_for_files([job for job, *_ in arguments], done)


def _train_in_worker(train: Callable[..., None], common: SharedSources, job: Job, context: JobContext, *rest: Any) -> None:  # noqa: ANN401
    """Train a network in a worker, while its run lasts and with the folder of the job locked.

    The lock is needed because a worker that the cluster considers dead may still work at a job that was given to another worker.
    """
    common.check()
    make_folder(job.folder)
    with exclusive_lock(job.folder / LOCK):
        train(job, context.with_sources(common.sources()), *rest, progress=partial(_write_status, common, job.folder))


def _write_status(common: SharedSources, folder: Path, progress: TrainingProgress) -> None:
    common.check()
    write_status(folder, progress)


def train_jobs_until(jobs: Sequence[Job], until: Sequence[int], context: JobContext, workers: int, progress: StudyProgressHook) -> None:
    """Train every network up to its epoch and pause there: one round of a race.

    Args:
        jobs: Jobs of the networks.
        until: Epoch at which each network pauses.
        context: Data and options shared by all jobs.
        workers: Number of parallel processes.
        progress: Function that is called with the progress of the jobs.
    """
    epochs = {job.folder: epoch for job, epoch in zip(jobs, until, strict=True)}

    def over(job: Job) -> bool:
        return job.has_reached(epochs[job.folder], context.options.epochs)

    _tidy(jobs)
    waiting = [job for job in jobs if not over(job)]
    with _progress_thread(jobs, progress, over):
        train_in_parallel(train_job_until, [(job, epochs[job.folder]) for job in waiting], context, workers, done=over)


def run_in_parallel(function: Callable[..., ResultT], arguments: Sequence[tuple[Any, ...]], workers: int) -> list[ResultT]:
    """Run calls with the active backend of joblib, by default in this many processes of this computer, and return their results.

    If one process is enough, the calls run in this process.

    Raises:
        ConfigError: Calls would share a process, or a worker of a cluster has other package versions.
        PolytaskError: The system killed a process (e.g. because memory ran out), a cluster has no worker, or the connection to it is lost.
    """
    return run_calls(choose_backend(len(arguments), workers), function, arguments)


def run_calls(backend: ParallelBackend, function: Callable[..., ResultT], arguments: Sequence[tuple[Any, ...]]) -> list[ResultT]:
    """Run calls with a backend, and return their results in the order of the arguments.

    Raises:
        ConfigError: A worker of a cluster has other package versions.
        PolytaskError: The system killed a process (e.g. because memory ran out), a process cannot import what a job consists of, or
            the connection to the cluster is lost.
    """
    if backend.runs_in_process:
        return [function(*values) for values in arguments]
    versions = package_versions() if backend.is_cluster else {}
    calls = [WorkerCall(function, values, os.getpid(), versions) for values in arguments]
    try:
        with cluster_errors(backend.name), no_working_folder():
            results: list[ResultT] = backend.parallel()(delayed(run_in_worker)(call) for call in calls)
    except TerminatedWorkerError:
        remedy = "Use fewer --workers; finished networks are kept, and the same command resumes the run"
        raise PolytaskError(
            "the system killed a worker process, most likely for lack of memory", where="workers", found=backend.workers, remedy=remedy
        ) from None
    except BrokenProcessPool as error:
        found = f"{type(error.__cause__ or error).__name__}: {_last_line(error.__cause__ or error)}"
        remedy = "Define tasks, components and functions in a module that other processes can import, and name its folder: add_import_path"
        raise PolytaskError("a worker process cannot read its job", where="workers", found=found, remedy=remedy) from None
    return results


def _last_line(error: BaseException) -> str:
    """Return what a worker's traceback ends with, without the quotes that surround the text of a remote traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(' "')]
    return lines[-1] if lines else "unknown"


def _wait_for_files(jobs: Sequence[Job], done: Callable[[Job], bool]) -> None:
    """Wait up to two minutes for files written by other computers, which network file systems show with a delay."""
    end = time.monotonic() + FILE_SYNC_TIMEOUT
    while not all(done(job) for job in jobs) and time.monotonic() < end:
        time.sleep(STATUS_INTERVAL)


@contextmanager
def _progress_thread(
    jobs: Sequence[Job], report: StudyProgressHook, done: Callable[[Job], bool], monitor: NegativeTransferMonitor | None = None
) -> Iterator[None]:
    """Call `report` with the progress of the jobs several times a second, and once more at the end.

    Args:
        jobs: All jobs, including finished ones.
        report: Function that is called with the progress.
        done: Function that returns whether a job is done.
        monitor: Monitor of tasks that are behind their twins; `None` in a race.
    """
    over = threading.Event()
    waiting = list(jobs)

    def look() -> None:
        waiting[:] = [job for job in waiting if not done(job)]
        statuses = ((job, read_status(job.folder)) for job in waiting)
        running = [(job, status) for job, status in statuses if status is not None]
        behind = [f"{job.title}: {warning}" for job, status in running if monitor is not None for warning in monitor.warnings(job, status)]
        shown = tuple((job.title, status) for job, status in running)
        report(StudyProgress(len(jobs) - len(waiting), len(jobs), shown, "racing" if monitor is None else "training", tuple(behind)))

    def look_until_over() -> None:
        while not over.wait(STATUS_INTERVAL):
            look()

    watcher = threading.Thread(target=look_until_over, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        look()
