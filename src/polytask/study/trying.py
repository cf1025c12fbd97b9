"""Candidates of a race as networks: trained side by side up to an epoch, and scored on validation data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.storage import read_json
from polytask.study.jobs import Assignment, Job
from polytask.study.race import Candidate
from polytask.study.running import Watch, try_all


@dataclass(frozen=True)
class Trying:
    """How candidates are trained.

    Attributes:
        assigned: What all networks have in common.
        arms: Names of all arms.
        folder: Where the networks go.
        workers: Processes side by side.
        watch: Is told how far they are.
    """

    assigned: Assignment
    arms: tuple[str, ...]
    folder: Path
    workers: int
    watch: Watch

    def __call__(self, candidates: Sequence[Candidate], epochs: Sequence[int]) -> list[float]:
        """Train the networks of candidates up to an epoch each; the mean of their scores over the tasks."""
        jobs = [[self._job(candidate, group) for group in candidate.groups] for candidate in candidates]
        until = [epoch for own, epoch in zip(jobs, epochs, strict=True) for _ in own]
        try_all([job for own in jobs for job in own], until, self.assigned, self.workers, self.watch)
        return [sum(_score(job) * len(job.tasks) for job in own) / sum(len(job.tasks) for job in own) for own in jobs]

    def _job(self, one: Candidate, group: tuple[str, ...]) -> Job:
        """A folder's name that is safe whatever arms and tasks are called: numbers decide, words only help."""
        tasks = [task.name for task in self.assigned.tasks]
        places = ".".join(str(tasks.index(task)) for task in group)
        words = re.sub(r"[^A-Za-z0-9]+", "-", one.arm.name).strip("-")[:30]
        name = f"arm{self.arms.index(one.arm.name)}-{words}-trial{one.trial}-tasks{places}-seed{one.seed}"
        return Job(one.arm, one.seed, group, self.folder / name, one.settings, one.trial)


def cost_of_tries(folder: Path) -> dict[str, float]:
    """How many networks were tried, and the seconds, steps and rows that it took."""
    reached = [read_json(path) for path in sorted(folder.rglob("reached.json"))]
    return {"networks": len(reached), **{name: sum(one[name] for one in reached) for name in ("seconds", "steps", "rows")}}


def _score(job: Job) -> float:
    relative = None if job.reached is None else job.reached.relative
    return float("-inf") if relative is None else relative
