"""Jobs of workers that others take for dead, or that nobody wants any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky.process_executor import BrokenProcessPool

from polytask.errors import PolytaskError, StorageError
from polytask.studies import Study
from polytask.studies.execution import run_jobs
from polytask.studies.execution.job_training import Job, JobContext, make_jobs, train_job_until
from polytask.studies.execution.parallel_backends import ParallelBackend
from polytask.studies.execution.shared_data import share_sources
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.spec.arms import parse_arm
from polytask.training import TrainingProgress

PROGRESS = TrainingProgress(epoch=1, epochs=9, step=1, steps=1)


@pytest.fixture
def assigned(make: Callable[..., Study]) -> JobContext:
    """What jobs have in common."""
    study = make()
    return make_job_context(study.config, study.sources, study.tasks)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job."""
    (found,) = make_jobs([parse_arm("equal", ["price"])], [0], tmp_path)
    return found


def test_a_job_that_two_workers_have_got_is_done_by_one_after_the_other(assigned: JobContext, job: Job, tmp_path: Path) -> None:
    at_work, most, done = [0], [0], tmp_path / "done"
    trained: list[int] = []

    def train(job: Job, assignment: JobContext, progress: Callable[[TrainingProgress], None]) -> None:
        assert len(assignment.sources) == 1
        if not done.exists():
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
            progress(PROGRESS)
            time.sleep(0.1)
            trained.append(job.seed)
            done.touch()
            at_work[0] -= 1

    with share_sources(assigned.sources, tmp_path, ParallelBackend("dask", 2)) as common:
        workers = [threading.Thread(target=run_jobs._train_in_worker, args=(train, common, job, assigned)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert (trained, most) == ([0], [1])
    assert (job.folder / "status.json").exists()


def test_training_stops_between_two_steps_when_the_run_has_ended(assigned: JobContext, job: Job, tmp_path: Path) -> None:
    started, messages = threading.Event(), []

    def train(job: Job, assignment: JobContext, progress: Callable[[TrainingProgress], None]) -> None:
        while True:
            progress(PROGRESS)
            started.set()

    def work(*arguments: Any) -> None:
        try:
            run_jobs._train_in_worker(*arguments)
        except StorageError as error:
            messages.append(str(error))

    with share_sources(assigned.sources, tmp_path, ParallelBackend("dask", 2)) as common:
        worker = threading.Thread(target=work, args=(train, common, job, assigned))
        worker.start()
        assert started.wait(300)
    worker.join(300)
    assert "or the run has ended" in messages[0]
    assert not (job.folder / run_jobs.LOCK).exists()


def test_what_does_not_see_the_folder_makes_none(assigned: JobContext, job: Job, tmp_path: Path) -> None:
    with share_sources(assigned.sources, tmp_path, ParallelBackend("dask", 2)) as common:
        pass
    with pytest.raises(StorageError, match="does not see the run folder"):
        run_jobs._train_in_worker(pytest.fail, common, job, assigned)
    assert not job.folder.exists()


def test_files_of_another_computer_may_be_seen_late(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_jobs, "STATUS_INTERVAL", 0.001)
    looks = iter([False, False, True])
    run_jobs._wait_for_files([job], lambda _: next(looks))
    assert not list(looks)
    monkeypatch.setattr(run_jobs, "FILE_SYNC_TIMEOUT", 0.01)
    run_jobs._wait_for_files([job], lambda _: False)  # what is missing then is said by who needs it


def test_a_worker_that_cannot_read_its_job_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(calls: object) -> None:
        raise BrokenProcessPool("A task has failed to un-serialize.") from ImportError('"""\nNo module named \'mine\'\n"""')

    monkeypatch.setattr(ParallelBackend, "parallel", lambda self: broken)
    with pytest.raises(PolytaskError, match=r"cannot read its job .*No module named 'mine'.*add_import_path") as caught:
        run_jobs.run_calls(ParallelBackend("loky", 2), abs, [(-1,)])
    assert "\n" not in str(caught.value)


def test_a_trial_that_was_killed_before_its_network_was_stored_is_completed(
    assigned: JobContext, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    trial, epochs = replace(job, trial=1), assigned.options.epochs
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr("polytask.studies.execution.job_training.save_network", killed)
        train_job_until(trial, assigned, epochs)
    before = trial.reached
    assert before is not None
    assert before.scores
    assert not trial.has_reached(epochs, epochs)
    train_job_until(trial, assigned, epochs)
    assert trial.finished
    assert trial.reached is not None
    assert trial.reached.scores == before.scores
    (trial.folder / "state-previous").mkdir()  # as if the worker had been killed while it deleted its states
    (trial.folder / run_jobs.LOCK).touch()
    run_jobs.train_jobs_until([trial], [epochs], assigned, 1, run_jobs.ignore_study_progress)
    assert {path.name for path in trial.folder.iterdir()} == {"measured.json", "network", "progress.json", "status.json"}
