"""Training of the networks of trials in parallel up to a given epoch, with validation scores per epoch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.run_files import JobProgress, RaceCost
from polytask.studies.execution.job_training import Job, JobContext
from polytask.studies.execution.run_jobs import StudyProgressHook, train_jobs_until
from polytask.studies.tuning.successive_halving import DIVERGED, EpochScores, Trial


@dataclass(frozen=True)
class TrialRunner:
    """Function object that trains trials.

    Attributes:
        assigned: Data and options shared by all networks.
        arms: Names of all arms.
        folder: Folder for the networks.
        workers: Number of parallel processes.
        progress: Function that is called with the progress of the networks.
    """

    assigned: JobContext
    arms: tuple[str, ...]
    folder: Path
    workers: int
    progress: StudyProgressHook

    def __call__(self, candidates: Sequence[Trial], epochs: Sequence[int]) -> list[EpochScores]:
        """Train the networks of every candidate up to its epoch, and return their scores per epoch, averaged over tasks."""
        jobs = [[self._job(candidate, group) for group in candidate.groups] for candidate in candidates]
        until = [epoch for own, epoch in zip(jobs, epochs, strict=True) for _ in own]
        train_jobs_until([job for own in jobs for job in own], until, self.assigned, self.workers, self.progress)
        return [_mean_scores(own) for own in jobs]

    def _job(self, one: Trial, group: tuple[str, ...]) -> Job:
        """Return the job of one network of a trial.

        The name of its folder is safe for any names of arms and tasks: numbers make it unique, the words are only for readers.
        """
        tasks = [task.name for task in self.assigned.tasks]
        places = ".".join(str(tasks.index(task)) for task in group)
        words = re.sub(r"[^A-Za-z0-9]+", "-", one.arm.name).strip("-")[:30]
        name = f"arm{self.arms.index(one.arm.name)}-{words}-trial{one.trial}-tasks{places}-seed{one.seed}"
        return Job(one.arm, one.seed, group, self.folder / name, one.settings, one.trial)


def race_cost(folder: Path) -> RaceCost:
    """Return the number of networks that were trained in the race, and the seconds, training steps and rows that they took."""
    reached = [JobProgress.read(path) for path in sorted(folder.rglob("progress.json"))]
    return RaceCost(
        networks=len(reached),
        seconds=sum(one.seconds for one in reached),
        steps=sum(one.steps for one in reached),
        rows=sum(one.rows for one in reached),
    )


def _mean_scores(jobs: Sequence[Job]) -> EpochScores:
    """Return the scores per epoch, averaged over the tasks of all networks; a network that has stopped keeps its last score."""
    reached = [job.reached for job in jobs]
    scores = [one.scores for one in reached if one is not None and one.scores]
    if len(scores) < len(jobs):
        return DIVERGED
    epochs = range(max(map(len, scores)))
    tasks = [len(job.tasks) for job in jobs]
    return [sum(count * own[min(epoch, len(own) - 1)] for count, own in zip(tasks, scores, strict=True)) / sum(tasks) for epoch in epochs]
