"""Display of tasks that are behind their single-task twins while networks are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from polytask.metrics.metric_functions import metric_of
from polytask.studies.execution.job_training import Job, load_job_facts
from polytask.studies.spec.arms import SINGLE
from polytask.tasks import Task
from polytask.training import TrainingProgress

WARNING_MARGIN = 0.01
"""A task is reported if it is behind by more than this fraction of its twin's metric."""


class NegativeTransferMonitor:
    """Comparison of running joint networks with finished single-task networks of the same seed, epoch by epoch on validation data.

    The result depends on which networks are finished, so it is only displayed and never stored.

    Args:
        jobs: Jobs of all networks.
        tasks: All tasks.
    """

    def __init__(self, jobs: Sequence[Job], tasks: Sequence[Task]) -> None:
        self._metrics = {task.name: metric_of(task) for task in tasks}
        self._single_jobs = {(job.seed, job.tasks[0]): job for job in jobs if job.arm.name == SINGLE}
        self._curves: dict[tuple[int, str], list[float]] = {}

    def warnings(self, job: Job, progress: TrainingProgress) -> Iterator[str]:
        """Yield a phrase for each task of the network that is behind its twin."""
        for task, value in progress.metrics.items() if job.arm.is_joint else ():
            twin = self._single_curve(job.seed, task)
            epoch = min(progress.epoch - 1, len(twin)) - 1
            if epoch >= 0:
                lead = self._metrics[task].sign * (value - twin[epoch])
                if lead < -WARNING_MARGIN * abs(twin[epoch]):
                    against = _opposing_note(task, progress.opposed)
                    yield f"{task} is {-lead:.3g} behind its single-task twin{against}"

    def _single_curve(self, seed: int, task: str) -> list[float]:
        """Return the twin's metric after each epoch; empty while the twin is not finished."""
        if (seed, task) not in self._curves:
            twin = self._single_jobs.get((seed, task))
            if twin is None or not twin.finished:
                return []
            history = load_job_facts(twin)["history"]
            rows = (dict(zip(history["columns"], row, strict=True)) for row in history["data"])
            own = [row["value"] for row in rows if row["split"] == "validation" and row["name"] == self._metrics[task].name]
            self._curves[seed, task] = own
        return self._curves[seed, task]


def _opposing_note(task: str, opposed: Mapping[str, str]) -> str:
    return f"; the gradients of {opposed[task]} oppose it" if task in opposed else ""
