"""Running jobs side by side, with one shared view of how far they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from polytask.errors import PolytaskError
from polytask.study.falling import Falling
from polytask.study.jobs import Assignment, Job, train_job, try_job
from polytask.study.status import StudyProgress, read_status
from polytask.study.worker import in_worker
from polytask.training.machine import cores

Watch = Callable[[StudyProgress], None]
Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 0.25


def ignore(progress: StudyProgress) -> None:
    """Nobody watches."""
    del progress


def workers_for(jobs: int, asked: int | None) -> int:
    """How many processes: what was asked for, or one per core; never more than there are jobs."""
    return max(1, min(jobs, cores() if asked is None else asked))


def train_all(jobs: Sequence[Job], assignment: Assignment, workers: int, watch: Watch) -> None:
    """Train every network that is not there yet."""
    waiting = [job for job in jobs if not job.finished]
    with _watched(jobs, watch, lambda job: job.finished, Falling(jobs, assignment.tasks)):
        side_by_side(train_job, [(job, assignment) for job in waiting], workers)


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
        side_by_side(try_job, [(job, assignment, epochs[job.folder]) for job in waiting], workers)


def side_by_side(function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], workers: int) -> list[Result]:
    """The results of calls that run in so many processes; in this one where one is enough.

    Raises:
        PolytaskError: The system has ended a process, as it does where memory runs out.
    """
    count = min(workers, len(arguments))
    if count <= 1:
        return [function(*values) for values in arguments]
    # One batch per call: networks take seconds, and the slowest must not wait behind another.
    run = Parallel(n_jobs=count, backend="loky", batch_size=1, pre_dispatch="n_jobs")
    try:
        results: list[Result] = run(delayed(in_worker)(os.getpid(), function, *values) for values in arguments)
    except TerminatedWorkerError:
        remedy = "Use fewer --workers; finished networks are kept, and the same command goes on"
        raise PolytaskError(
            "the system has ended a process, most likely for lack of memory", where="workers", found=count, remedy=remedy
        ) from None
    return results


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
