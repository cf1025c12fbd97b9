"""The jobs of a study: one network each, with a folder for what comes of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from polytask.architectures import NetworkPlan, cost_of, parts_of
from polytask.balancing.named import balancer_named
from polytask.data import Source
from polytask.relatedness import Observing, start_from
from polytask.storage import has_state, make_folder
from polytask.study.arms import Arm
from polytask.study.status import write_status
from polytask.tasks import Task
from polytask.training import TrainingOptions, Watch, fit
from polytask.training.network import Network, load_network, save_network
from polytask.training.run import Run


@dataclass(frozen=True)
class Job:
    """One network of one arm and seed.

    Attributes:
        arm: Which way of training.
        seed: Root of its random streams; the same in all arms, which is what pairs them.
        tasks: What the network predicts.
        folder: Where its state, its status and its result go.
        start: The folder of a trained network from which it starts, but for its heads; none for a fresh start.
    """

    arm: Arm
    seed: int
    tasks: tuple[str, ...]
    folder: Path
    start: Path | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        part = f" {'+'.join(self.tasks)}" if len(self.arm.groups) > 1 else ""
        return f"{self.arm.name}{part}, seed {self.seed}"

    @property
    def result(self) -> Path:
        """The folder of the trained network."""
        return self.folder / "network"

    @property
    def finished(self) -> bool:
        """Whether the network is there."""
        return has_state(self.result)


@dataclass(frozen=True)
class Assignment:
    """What all jobs of a study have in common.

    Attributes:
        sources: Training sources: a job never sees others.
        tasks: All tasks.
        plan: What networks are made of.
        batch_sizes: Rows per source and step, the same in every arm; none where the options say how sources are sampled.
        options: How they are trained, resolved.
        observe: What is measured in networks of several tasks: arguments of `polytask.relatedness.Observing`; none measures nothing.
    """

    sources: tuple[Source, ...]
    tasks: tuple[Task, ...]
    plan: NetworkPlan
    batch_sizes: dict[str, int] | None
    options: TrainingOptions
    observe: Mapping[str, Any] | None = None


def jobs_of(arms: Sequence[Arm], seeds: Sequence[int], folder: Path) -> tuple[Job, ...]:
    """Every network to train: seed by seed, so that an interrupted study holds complete seeds."""
    wanted = [(number, arm, seed, group) for seed in seeds for number, arm in enumerate(arms) for group in arm.groups]
    return tuple(Job(arm, seed, group, folder / _slug(number, arm, seed, group)) for number, arm, seed, group in wanted)


def train_job(job: Job, assignment: Assignment, watch: Watch | None = None) -> None:
    """Train one network and store it, unless it is stored already.

    Args:
        job: Which.
        assignment: What all jobs have in common.
        watch: Is told how far it is; by default the job's status file.
    """
    if job.finished:
        return
    make_folder(job.folder)
    tasks = tuple(task for task in assignment.tasks if task.name in job.tasks)
    plan = job.arm.plan(assignment.plan).among([source.name for source in assignment.sources if set(source.tasks) & set(job.tasks)])
    model = plan.build(tasks, job.seed)
    if job.start is not None:
        start_from(model, load_network(job.start).model)
    run = fit(
        model,
        assignment.sources,
        balancer_named(job.arm.balancer, job.arm.options, {task.name: task.weight for task in tasks}),
        seed=job.seed,
        batch_sizes=assignment.batch_sizes,
        checkpoint=job.folder / "state",
        watch=watch or partial(write_status, job.folder),
        observer=_observer(assignment, tasks),
        options=assignment.options,
    )
    save_network(job.result, plan, run, _facts(run, assignment.sources, tasks))
    shutil.rmtree(job.folder / "state", ignore_errors=True)


def _observer(assignment: Assignment, tasks: Sequence[Task]) -> Observing | None:
    """Between tasks there is something to measure where there are several."""
    if assignment.observe is None or len(tasks) < 2:
        return None
    return Observing([task.name for task in tasks], **assignment.observe)


def result_of(job: Job) -> Network:
    """The trained network of a finished job."""
    return load_network(job.result)


def _facts(run: Run, sources: Sequence[Source], tasks: Sequence[Task]) -> dict[str, Any]:
    """What the study's files need to know of a run."""
    used = {source.name: source for source in sources if source.name in run.normalisations}
    labelled = {name: [task.name for task in tasks if task.name in source.labels] for name, source in used.items()}
    cost = cost_of(run.model, {name: source.inputs.shape[1:] for name, source in used.items()}, labelled)
    return {
        "validation": {task: dict(metrics) for task, metrics in run.validation.items()},
        "relative": run.relative,
        "cost": asdict(cost),
        "parts": [asdict(part) for part in parts_of(run.model)],
        "used": {"epochs": run.epochs, "best_epoch": run.best_epoch, "steps": run.steps, "rows": run.rows},
        "measured": {"seconds": run.seconds, "peak_memory": run.peak_memory},
        "matched": None if run.matched is None else str(run.matched),
        "observed": dict(run.observed),
        "history": run.history.to_dict(orient="split", index=False),
    }


def _slug(number: int, arm: Arm, seed: int, group: tuple[str, ...]) -> str:
    """A folder's name that is safe whatever arms and tasks are called: numbers decide, words only help."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", arm.name).strip("-")[:30]
    return f"seed{seed}-arm{number}-{words}-{arm.groups.index(group)}"
