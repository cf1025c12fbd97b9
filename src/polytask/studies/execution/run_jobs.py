"""Running jobs side by side, with one shared view of how far they are."""

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
from joblib.externals.loky.process_executor import TerminatedWorkerError

from polytask.errors import PolytaskError
from polytask.storage import exclusive_lock, make_folder
from polytask.studies.execution.jobs import Job, JobContext, train_job, train_job_until
from polytask.studies.execution.live_negative_transfer import NegativeTransferMonitor
from polytask.studies.execution.parallel_backends import ParallelBackend, choose_backend, cluster_errors, no_working_folder
from polytask.studies.execution.shared_data import SharedSources, share_sources
from polytask.studies.execution.study_progress import StudyProgress, read_status, write_status
from polytask.studies.execution.worker import WorkerCall, run_in_worker
from polytask.studies.setup.environment import package_versions
from polytask.training import TrainingProgress
from polytask.training.hardware import available_cores

StudyProgressHook = Callable[[StudyProgress], None]
ResultT = TypeVar("ResultT")

STATUS_INTERVAL = 0.25
FILE_SYNC_TIMEOUT = 120.0
LOCK = ".lock"


def ignore_study_progress(progress: StudyProgress) -> None:
    """Nobody watches."""
    del progress


def worker_count(jobs: int, asked: int | None) -> int:
    """How many processes: what was asked for, or one per core; never more than there are jobs."""
    return max(1, min(jobs, available_cores() if asked is None else asked))


def train_jobs(jobs: Sequence[Job], context: JobContext, workers: int, progress: StudyProgressHook) -> None:
    """Train every network that is not there yet: in processes of this computer, or where joblib's active backend says.

    Args:
        jobs: Every network.
        context: What they have in common.
        workers: Processes of this computer.
        progress: Is told how far they are.

    Raises:
        ConfigError: Networks would share a process; a worker of a cluster has other versions.
        PolytaskError: A worker has been ended, or a cluster has none.
        StorageError: A worker does not see the folder of the jobs.
    """
    waiting = [job for job in jobs if not job.finished]
    with _progress_thread(jobs, progress, _is_finished, NegativeTransferMonitor(jobs, context.tasks)):
        train_in_parallel(train_job, [(job,) for job in waiting], context, workers, done=_is_finished)


def _is_finished(job: Job) -> bool:
    return job.finished


def train_in_parallel(
    train: Callable[..., None], arguments: Sequence[tuple[Any, ...]], context: JobContext, workers: int, *, done: Callable[[Job], bool]
) -> None:
    """Call `train(job, assignment, ..., progress=)` for each job: sources are mapped by the workers, and each job is alone in its folder.

    Args:
        train: Trains a network, wholly or in part.
        arguments: Per call the job, and what else comes after the assignment.
        context: What all jobs have in common.
        workers: Processes of this computer.
        done: Whether what a call was to leave in the job's folder is there.

    Raises:
        ConfigError: Networks would share a process; a worker of a cluster has other versions.
        PolytaskError: A worker has been ended, or a cluster has none.
        StorageError: A worker does not see the folder of the jobs.
    """
    if not arguments:
        return
    # Workers have other working folders.
    calls = [(replace(job, folder=job.folder.absolute()), rest) for job, *rest in arguments]
    place = choose_backend(len(calls), workers)
    with share_sources(context.sources, calls[0][0].folder.parent, place) as common:
        bare = replace(context, sources=())
        run_calls(place, _train_in_worker, [(train, common, job, bare, *rest) for job, rest in calls])
    if place.is_cluster:
        _wait_for_files([job for job, *_ in arguments], done)


def _train_in_worker(train: Callable[..., None], common: SharedSources, job: Job, context: JobContext, *rest: Any) -> None:  # noqa: ANN401
    """Train no longer than somebody wants it, and alone: a worker that is taken for dead may still be at a job that another has got."""
    common.check()
    make_folder(job.folder)
    with exclusive_lock(job.folder / LOCK):
        train(job, replace(context, sources=common.sources()), *rest, progress=partial(_write_status, common, job.folder))


def _write_status(common: SharedSources, folder: Path, progress: TrainingProgress) -> None:
    common.check()
    write_status(folder, progress)


def train_jobs_until(jobs: Sequence[Job], until: Sequence[int], context: JobContext, workers: int, progress: StudyProgressHook) -> None:
    """Train every network up to its epoch, and pause there: one round of a race.

    Args:
        jobs: The networks.
        until: The epoch of each.
        context: What all have in common.
        workers: Processes side by side.
        progress: Is told how far they are.
    """
    epochs = {job.folder: epoch for job, epoch in zip(jobs, until, strict=True)}

    def over(job: Job) -> bool:
        return job.finished or (job.reached is not None and job.reached.epoch >= epochs[job.folder])

    waiting = [job for job in jobs if not over(job)]
    with _progress_thread(jobs, progress, over):
        train_in_parallel(train_job_until, [(job, epochs[job.folder]) for job in waiting], context, workers, done=over)


def run_in_parallel(function: Callable[..., ResultT], arguments: Sequence[tuple[Any, ...]], workers: int) -> list[ResultT]:
    """The results of calls that run where joblib's active backend says: by default in so many processes of this computer.

    Where one is enough, that is this process.

    Raises:
        ConfigError: Calls would share a process; a worker of a cluster has other versions.
        PolytaskError: The system has ended a process, as it does where memory runs out; a cluster has no worker, or has gone.
    """
    return run_calls(choose_backend(len(arguments), workers), function, arguments)


def run_calls(backend: ParallelBackend, function: Callable[..., ResultT], arguments: Sequence[tuple[Any, ...]]) -> list[ResultT]:
    """The results of calls that run in that place, in the order of the arguments.

    Raises:
        ConfigError: A worker of a cluster has other versions.
        PolytaskError: The system has ended a process, as it does where memory runs out; the cluster has gone.
    """
    if backend.runs_in_process:
        return [function(*values) for values in arguments]
    versions = package_versions() if backend.is_cluster else {}
    calls = [WorkerCall(function, values, os.getpid(), versions) for values in arguments]
    try:
        with cluster_errors(backend.name), no_working_folder():
            results: list[ResultT] = backend.parallel()(delayed(run_in_worker)(call) for call in calls)
    except TerminatedWorkerError:
        remedy = "Use fewer --workers; finished networks are kept, and the same command goes on"
        raise PolytaskError(
            "the system has ended a process, most likely for lack of memory", where="workers", found=backend.workers, remedy=remedy
        ) from None
    return results


def _wait_for_files(jobs: Sequence[Job], done: Callable[[Job], bool]) -> None:
    """Network file systems tell late of files that another computer has made."""
    end = time.monotonic() + FILE_SYNC_TIMEOUT
    while not all(done(job) for job in jobs) and time.monotonic() < end:
        time.sleep(STATUS_INTERVAL)


@contextmanager
def _progress_thread(
    jobs: Sequence[Job], report: StudyProgressHook, done: Callable[[Job], bool], falling: NegativeTransferMonitor | None = None
) -> Iterator[None]:
    """Tell `report` a few times a second how far the jobs are, and, of those that are trained to the end, who is behind a twin."""
    over = threading.Event()
    waiting = list(jobs)

    def look() -> None:
        waiting[:] = [job for job in waiting if not done(job)]
        statuses = ((job, read_status(job.folder)) for job in waiting)
        running = [(job, status) for job, status in statuses if status is not None]
        behind = [f"{job.label}: {said}" for job, status in running if falling is not None for said in falling.said(job, status)]
        shown = tuple((job.label, status) for job, status in running)
        report(StudyProgress(len(jobs) - len(waiting), len(jobs), shown, "racing" if falling is None else "training", tuple(behind)))

    def keep_looking() -> None:
        while not over.wait(STATUS_INTERVAL):
            look()

    watcher = threading.Thread(target=keep_looking, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        look()
