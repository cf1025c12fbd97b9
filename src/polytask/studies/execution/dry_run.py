"""Estimate of what a study takes and what it can see, from one epoch of the networks of one seed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytask.options import StudyConfig
from polytask.studies.execution.job_training import JobContext, make_jobs, train_job
from polytask.studies.execution.run_jobs import worker_count
from polytask.studies.setup.seed_budget import affordable_seeds, few_seeds_warning, plan_of, smallest_visible, with_planned_seeds
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.tables.sharing_families import count_families
from polytask.training.optimization.task_control import PER_TASK
from polytask.verdicts.shown.claim_sentences import minutes_text


@dataclass(frozen=True)
class StudyEstimate:
    """Estimate of a study before it runs.

    Attributes:
        networks: Most networks that are tested.
        seeds: Most seeds.
        looks: Numbers of seeds at the looks.
        seconds: Most seconds of the tested networks, if each trains all its epochs; tuning and a race are not included.
        workers: Number of processes.
        visible: Difference of one task that is seen with 80 % power, in standard deviations of the difference between seeds.
        remarks: Sentences on what the time does not include, and on a time that is too short.
    """

    networks: int
    seeds: int
    looks: tuple[int, ...]
    seconds: float
    workers: int
    visible: float
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        looks = f", looks after {', '.join(map(str, self.looks))}" if len(self.looks) > 1 else ""
        sentences = (
            f"At most {self.networks} networks ({self.seeds} seeds{looks}), at most {minutes_text(self.seconds)} on {self.workers} "
            f"worker{'s' * (self.workers > 1)}.",
            *self.remarks,
            f"If a task's true difference is at least {self.visible:.2g} times the spread (standard deviation) of its difference between "
            "seeds, it is found in 80 % of such studies. The spread is known only after training.",
        )
        return " ".join(sentences)


def estimate_study(config: StudyConfig, arms: Sequence[ResolvedArm], context: JobContext) -> StudyEstimate:
    """Train every network of one seed for one epoch, and extrapolate; tuning and race are not included.

    A training function is called with all epochs, since it may use its budget as it likes.

    Args:
        config: Configuration of the study.
        arms: Arms of the study.
        context: Data and options shared by all networks.
    """
    epochs = 1 if context.function is None else context.options.epochs
    one_epoch: dict[str, Any] = {"epochs": epochs, "patience": None, **{name: {} for name in PER_TASK}}  # all tasks take part
    short = replace(context, options=context.options.model_copy(update=one_epoch))
    with tempfile.TemporaryDirectory(prefix="polytask-") as folder:
        jobs = make_jobs(arms, config.seeds[:1], Path(folder))
        started = time.monotonic()
        for job in jobs:
            train_job(job, short)
        of_epoch = time.monotonic() - started
    workers = worker_count(len(jobs) * len(config.seeds), config.workers, context.options.device)
    of_seed = of_epoch * context.options.epochs / epochs / workers
    extra = {"tuning": config.trials > 1, "the race": config.race}
    remarks = [f"Time for {' and '.join(name for name, used in extra.items() if used)} comes on top."] if any(extra.values()) else []
    if config.minutes is not None and not config.looks:
        most = affordable_seeds(60 * config.minutes, of_seed)
        remarks += filter(None, [few_seeds_warning(config.minutes, most, of_seed)])
        config = with_planned_seeds(config, most)
    seeds, plan = len(config.seeds), replace(plan_of(config), families=count_families(arms))
    visible = smallest_visible(len(context.tasks), plan)
    return StudyEstimate(len(jobs) * seeds, seeds, plan.looks, seeds * of_seed, workers, visible, tuple(remarks))
