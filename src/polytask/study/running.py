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
from polytask.storage import alone, make_folder
from polytask.study.backends import Place, no_working_folder, one_line, place_for
from polytask.study.environment import packages
from polytask.study.falling import Falling
from polytask.study.jobs import Assignment, Job, train_job, try_job
from polytask.study.shared import Shared, shared
from polytask.study.status import StudyProgress, read_status, write_status
from polytask.study.worker import Call, in_worker
from polytask.training import Progress
from polytask.training.machine import cores

Watch = Callable[[StudyProgress], None]
Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_UNTIL_SEEN = 120.0
LOCK = ".lock"


def ignore(progress: StudyProgress) -> None:
    """Nobody watches."""
    del progress


def workers_for(jobs: int, asked: int | None) -> int:
    """How many processes: what was asked for, or one per core; never more than there are jobs."""
    return max(1, min(jobs, cores() if asked is None else asked))


def train_all(jobs: Sequence[Job], assignment: Assignment, workers: int, watch: Watch) -> None:
    """Train every network that is not there yet: in processes of this computer, or where joblib's active backend says.

    Args:
        jobs: Every network.
        assignment: What they have in common.
        workers: Processes of this computer.
        watch: Is told how far they are.

    Raises:
        ConfigError: Networks would share a process; a worker of a cluster has other versions.
        PolytaskError: A worker has been ended, or a cluster has none.
        StorageError: A worker does not see the folder of the jobs.
    """
    waiting = [job for job in jobs if not job.finished]
    with _watched(jobs, watch, _finished, Falling(jobs, assignment.tasks)):
        train_side_by_side(train_job, [(job,) for job in waiting], assignment, workers, done=_finished)


def _finished(job: Job) -> bool:
    return job.finished


def train_side_by_side(
    train: Callable[..., None], arguments: Sequence[tuple[Any, ...]], assignment: Assignment, workers: int, *, done: Callable[[Job], bool]
) -> None:
    """Call `train(job, assignment, ..., watch=)` for each job: sources are mapped by the workers, and each job is alone in its folder.

    Args:
        train: Trains a network, wholly or in part.
        arguments: Per call the job, and what else comes after the assignment.
        assignment: What all jobs have in common.
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
    place = place_for(len(calls), workers)
    with shared(assignment.sources, calls[0][0].folder.parent, place) as common:
        bare = replace(assignment, sources=())
        run(place, _train, [(train, common, job, bare, *rest) for job, rest in calls])
    if place.is_cluster:
        _wait_until_seen([job for job, *_ in arguments], done)


def _train(train: Callable[..., None], common: Shared, job: Job, assignment: Assignment, *rest: Any) -> None:  # noqa: ANN401
    """Train no longer than somebody wants it, and alone: a worker that is taken for dead may still be at a job that another has got."""
    common.check()
    make_folder(job.folder)
    with alone(job.folder / LOCK):
        train(job, replace(assignment, sources=common.sources()), *rest, watch=partial(_tell, common, job.folder))


def _tell(common: Shared, folder: Path, progress: Progress) -> None:
    common.check()
    write_status(folder, progress)


def try_all(jobs: Sequence[Job], until: Sequence[int], assignment: Assignment, workers: int, watch: Watch) -> None:
    """Train every network up to its epoch, and pause there: one round of a race.

    Args:
        jobs: The networks.
        until: The epoch of each.
        assignment: What all have in common.
        workers: Processes side by side.
        watch: Is told how far they are.
    """
    epochs = {job.folder: epoch for job, epoch in zip(jobs, until, strict=True)}

    def over(job: Job) -> bool:
        return job.finished or (job.reached is not None and job.reached.epoch >= epochs[job.folder])

    waiting = [job for job in jobs if not over(job)]
    with _watched(jobs, watch, over):
        train_side_by_side(try_job, [(job, epochs[job.folder]) for job in waiting], assignment, workers, done=over)


def side_by_side(function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], workers: int) -> list[Result]:
    """The results of calls that run where joblib's active backend says: by default in so many processes of this computer.

    Where one is enough, that is this process.

    Raises:
        ConfigError: Calls would share a process; a worker of a cluster has other versions.
        PolytaskError: The system has ended a process, as it does where memory runs out; a cluster has no worker, or has gone.
    """
    return run(place_for(len(arguments), workers), function, arguments)


def run(place: Place, function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """The results of calls that run in that place, in the order of the arguments.

    Raises:
        ConfigError: A worker of a cluster has other versions.
        PolytaskError: The system has ended a process, as it does where memory runs out; the cluster has gone.
    """
    if place.is_here:
        return [function(*values) for values in arguments]
    versions = packages() if place.is_cluster else {}
    calls = [Call(function, values, os.getpid(), versions) for values in arguments]
    try:
        with one_line(place.name), no_working_folder():
            results: list[Result] = place.parallel()(delayed(in_worker)(call) for call in calls)
    except TerminatedWorkerError:
        remedy = "Use fewer --workers; finished networks are kept, and the same command goes on"
        raise PolytaskError(
            "the system has ended a process, most likely for lack of memory", where="workers", found=place.workers, remedy=remedy
        ) from None
    return results


def _wait_until_seen(jobs: Sequence[Job], done: Callable[[Job], bool]) -> None:
    """Network file systems tell late of files that another computer has made."""
    end = time.monotonic() + SECONDS_UNTIL_SEEN
    while not all(done(job) for job in jobs) and time.monotonic() < end:
        time.sleep(SECONDS_BETWEEN_LOOKS)


@contextmanager
def _watched(jobs: Sequence[Job], watch: Watch, done: Callable[[Job], bool], falling: Falling | None = None) -> Iterator[None]:
    """Tell `watch` a few times a second how far the jobs are, and, of those that are trained to the end, who is behind a twin."""
    over = threading.Event()
    waiting = list(jobs)

    def look() -> None:
        waiting[:] = [job for job in waiting if not done(job)]
        statuses = ((job, read_status(job.folder)) for job in waiting)
        running = [(job, status) for job, status in statuses if status is not None]
        behind = [f"{job.label}: {said}" for job, status in running if falling is not None for said in falling.said(job, status)]
        shown = tuple((job.label, status) for job, status in running)
        watch(StudyProgress(len(jobs) - len(waiting), len(jobs), shown, "racing" if falling is None else "training", tuple(behind)))

    def keep_looking() -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            look()

    watcher = threading.Thread(target=keep_looking, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        look()
