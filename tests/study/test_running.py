"""Jobs of workers that others take for dead, or that nobody wants any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polytask.errors import StorageError
from polytask.study import Study, running
from polytask.study.arms import parse_arm
from polytask.study.backends import Place
from polytask.study.jobs import Assignment, Job, jobs_of
from polytask.study.resolving import assignment
from polytask.study.shared import shared
from polytask.training import Progress

PROGRESS = Progress(epoch=1, epochs=9, step=1, steps=1)


@pytest.fixture
def assigned(make: Callable[..., Study]) -> Assignment:
    """What jobs have in common."""
    study = make()
    return assignment(study.asked, study.sources, study.tasks)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job."""
    (found,) = jobs_of([parse_arm("equal", ["price"])], [0], tmp_path)
    return found


def test_a_job_that_two_workers_have_got_is_done_by_one_after_the_other(assigned: Assignment, job: Job, tmp_path: Path) -> None:
    at_work, most, done = [0], [0], tmp_path / "done"
    trained: list[int] = []

    def train(job: Job, assignment: Assignment, watch: Callable[[Progress], None]) -> None:
        assert len(assignment.sources) == 1
        if not done.exists():
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
            watch(PROGRESS)
            time.sleep(0.1)
            trained.append(job.seed)
            done.touch()
            at_work[0] -= 1

    with shared(assigned.sources, tmp_path, Place("dask", 2)) as common:
        workers = [threading.Thread(target=running._train, args=(train, common, job, assigned)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert (trained, most) == ([0], [1])
    assert (job.folder / "status.json").exists()


def test_training_stops_between_two_steps_when_the_run_has_ended(assigned: Assignment, job: Job, tmp_path: Path) -> None:
    started, said = threading.Event(), []

    def train(job: Job, assignment: Assignment, watch: Callable[[Progress], None]) -> None:
        while True:
            watch(PROGRESS)
            started.set()

    def work(*arguments: Any) -> None:
        try:
            running._train(*arguments)
        except StorageError as error:
            said.append(str(error))

    with shared(assigned.sources, tmp_path, Place("dask", 2)) as common:
        worker = threading.Thread(target=work, args=(train, common, job, assigned))
        worker.start()
        assert started.wait(300)
    worker.join(300)
    assert "or the run has ended" in said[0]
    assert not (job.folder / running.LOCK).exists()


def test_what_does_not_see_the_folder_makes_none(assigned: Assignment, job: Job, tmp_path: Path) -> None:
    with shared(assigned.sources, tmp_path, Place("dask", 2)) as common:
        pass
    with pytest.raises(StorageError, match="does not see the run folder"):
        running._train(pytest.fail, common, job, assigned)
    assert not job.folder.exists()


def test_files_of_another_computer_may_be_seen_late(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SECONDS_BETWEEN_LOOKS", 0.001)
    looks = iter([False, False, True])
    running._wait_until_seen([job], lambda _: next(looks))
    assert not list(looks)
    monkeypatch.setattr(running, "SECONDS_UNTIL_SEEN", 0.01)
    running._wait_until_seen([job], lambda _: False)  # what is missing then is said by who needs it
