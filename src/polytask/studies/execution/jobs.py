"""The jobs of a study: one network each, with a folder for what comes of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from polytask.architectures import MultiTaskModel, NetworkPlan, measure_cost, network_parts
from polytask.balancing.factory import balancer_named
from polytask.data import Source
from polytask.errors import NonFiniteError
from polytask.options import TrainingOptions
from polytask.registry.resolve import classes_in
from polytask.relatedness import AffinityCallback, copy_shared_weights
from polytask.relatedness.affinity_callback import AFFINITY
from polytask.run_files import JobProgress
from polytask.storage import has_state, load_state, make_folder, save_state
from polytask.studies.execution.boosted_trees import TreeFit, fit_trees, openmp_threads
from polytask.studies.execution.study_progress import write_status
from polytask.studies.spec.arms import Arm
from polytask.studies.tuning.search_space import Settings, apply_settings
from polytask.tasks import Task
from polytask.training import ProgressHook, fit
from polytask.training.fit_result import FitResult
from polytask.training.trained_network import TrainedNetwork, load_network, save_network


@dataclass(frozen=True)
class Job:
    """One network of one arm and seed.

    Attributes:
        arm: Which way of training.
        seed: Root of its random streams; the same in all arms, which is what pairs them.
        tasks: What the network predicts.
        folder: Where its state, its status and its result go.
        settings: What was chosen, or is tried, of what is tuned.
        trial: Which try it is, from 1, while settings are looked for.
        start: The folder of a trained network from which it starts, but for its heads; none for a fresh start.
    """

    arm: Arm
    seed: int
    tasks: tuple[str, ...]
    folder: Path
    settings: Settings = field(default_factory=dict)
    trial: int | None = None
    start: Path | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        part = f" {'+'.join(self.tasks)}" if len(self.arm.groups) > 1 else ""
        return f"{self.arm.name}{part}, {f'seed {self.seed}' if self.trial is None else f'trial {self.trial}'}"

    @property
    def result(self) -> Path:
        """The folder of the trained network."""
        return self.folder / "network"

    @property
    def finished(self) -> bool:
        """Whether the network is there."""
        return has_state(self.result)

    @property
    def reached(self) -> JobProgress | None:
        """How far it was when it last paused or ended."""
        path = self.folder / _PROGRESS_FILE
        return JobProgress.read(path) if path.exists() else None


@dataclass(frozen=True)
class JobContext:
    """What all jobs of a study have in common.

    Attributes:
        sources: Training sources: a job never sees others.
        tasks: All tasks.
        plan: What networks are made of.
        batch_sizes: Rows per source and step, the same in every arm; none where the options say how sources are sampled.
        options: How they are trained, resolved.
        observe: What is measured in networks of several tasks: arguments of `polytask.relatedness.AffinityCallback`; none measures nothing.
    """

    sources: tuple[Source, ...]
    tasks: tuple[Task, ...]
    plan: NetworkPlan
    batch_sizes: dict[str, int] | None
    options: TrainingOptions
    observe: Mapping[str, Any] | None = None


ChosenSettings = Mapping[tuple[str, tuple[str, ...]], Settings]
"""Per arm's name and group of tasks the settings that were chosen; as they were where there is no entry."""


def make_jobs(arms: Sequence[Arm], seeds: Sequence[int], folder: Path, chosen: ChosenSettings | None = None) -> tuple[Job, ...]:
    """Every network to train: seed by seed, so that an interrupted study holds complete seeds."""
    wanted = [(number, arm, seed, group) for seed in seeds for number, arm in enumerate(arms) for group in arm.groups]
    settings = {} if chosen is None else chosen
    return tuple(
        Job(arm, seed, group, folder / _folder_name(number, arm, seed, group), settings.get((arm.name, group), {}))
        for number, arm, seed, group in wanted
    )


def train_job(job: Job, context: JobContext, progress: ProgressHook | None = None, stop_after_epoch: int | None = None) -> None:
    """Train one network and store it, unless it is stored already.

    Args:
        job: Which.
        context: What all jobs have in common.
        progress: Is told how far it is; by default the job's status file.
        stop_after_epoch: An epoch after which to pause, unless it has got that far already.
    """
    if job.finished or (stop_after_epoch is not None and job.reached is not None and job.reached.epoch >= stop_after_epoch):
        return
    make_folder(job.folder)
    if job.arm.is_trees:
        _train_trees(job, context)
        return
    arm, options = apply_settings(job.arm, context.options, job.settings)
    tasks = tuple(task for task in context.tasks if task.name in job.tasks)
    absent = {task.name for task in context.tasks} - set(job.tasks)
    plan = arm.plan(context.plan, absent).for_sources([source.name for source in context.sources if set(source.tasks) & set(job.tasks)])
    model = plan.build(tasks, job.seed)
    if job.start is not None:
        copy_shared_weights(model, load_network(job.start, components_of(job, context)).model)
    run = fit(
        model,
        context.sources,
        balancer_named(arm.balancer, arm.options, {task.name: task.weight for task in tasks}),
        seed=job.seed,
        batch_sizes=context.batch_sizes,
        checkpoint=job.folder / "state",
        progress=progress or partial(write_status, job.folder),
        stop_after_epoch=stop_after_epoch,
        callbacks=_callbacks(context, model),
        options=options,
    )
    if run.finished:
        save_network(job.result, plan, run, _network_facts(run, context.sources, tasks))
    JobProgress(
        epoch=context.options.epochs if run.finished else run.epochs,
        scores=tuple(accumulate((relative for _, relative in run.timeline), max)),
        seconds=run.seconds,
        steps=run.steps,
        rows=run.rows,
    ).write(job.folder / _PROGRESS_FILE)
    if run.finished:
        shutil.rmtree(job.folder / "state", ignore_errors=True)


def fit_job_trees(job: Job, context: JobContext, iterations: int | None = None) -> TreeFit:
    """The trees of a job; with so many steps of boosting, if it is known how many were best."""
    (task,) = (task for task in context.tasks if task.name in job.tasks)
    with openmp_threads(context.options.threads):
        return fit_trees(
            task, context.sources, validation_fraction=context.options.validation_fraction, seed=job.seed, iterations=iterations
        )


def _train_trees(job: Job, context: JobContext) -> None:
    """Trees are not stored, but how many there are: they are grown again to predict."""
    grown = fit_job_trees(job, context)
    save_state(job.result, {"facts": {**grown.facts, "iterations": grown.iterations}})


def train_job_until(job: Job, context: JobContext, stop_after_epoch: int, progress: ProgressHook | None = None) -> None:
    """Train a network that is tried out up to an epoch: one whose loss is no longer a number is no try that wins, and no error."""
    try:
        train_job(job, context, progress, stop_after_epoch=stop_after_epoch)
    except NonFiniteError:
        diverged = JobProgress(epoch=context.options.epochs, scores=None, seconds=0.0, steps=0, rows=0)
        diverged.write(job.folder / _PROGRESS_FILE)


def _callbacks(assignment: JobContext, model: MultiTaskModel) -> tuple[AffinityCallback, ...]:
    """There is something to measure where several tasks share something."""
    if assignment.observe is None or len(model.tasks) < 2 or not model.shared_parameters():
        return ()
    return (AffinityCallback([task.name for task in model.tasks], **assignment.observe),)


def load_job_network(job: Job, assignment: JobContext | None = None) -> TrainedNetwork:
    """The trained network of a finished job: it may name registered components, and those of its study."""
    return load_network(job.result, () if assignment is None else components_of(job, assignment))


def components_of(job: Job, assignment: JobContext) -> tuple[type, ...]:
    """The classes that the networks of a job are made of, as far as they are named by import paths."""
    plan, arm = assignment.plan, job.arm
    texts = [plan.encoder, plan.architecture, arm.architecture, arm.encoder if isinstance(arm.encoder, str) else ""]
    return (*classes_in(*filter(None, texts)), *{type(task) for task in assignment.tasks})


def load_job_facts(job: Job) -> Mapping[str, Any]:
    """What a finished job told."""
    facts: Mapping[str, Any] = load_state(job.result)["facts"]
    return facts


def _network_facts(run: FitResult, sources: Sequence[Source], tasks: Sequence[Task]) -> dict[str, Any]:
    """What the study's files need to know of a run."""
    used = {source.name: source for source in sources if source.name in run.normalizations}
    labeled = {name: [task.name for task in tasks if task.name in source.labels] for name, source in used.items()}
    cost = measure_cost(run.model, {name: source.inputs.shape[1:] for name, source in used.items()}, labeled)
    return {
        "validation": {task: dict(metrics) for task, metrics in run.validation.items()},
        "relative": run.relative_score,
        "cost": asdict(cost),
        "parts": [asdict(part) for part in network_parts(run.model)],
        "used": {"epochs": run.epochs, "best_epoch": run.best_epoch, "steps": run.steps, "rows": run.rows},
        "measured": {"seconds": run.seconds, "peak_memory": run.peak_memory, "timeline": [list(point) for point in run.timeline]},
        "matched": None if run.loaded_weights is None else str(run.loaded_weights),
        "observed": dict(run.callback_results.get(AFFINITY, {})),
        "history": run.history.to_dict(orient="split", index=False),
    }


_PROGRESS_FILE = "progress.json"


def _folder_name(number: int, arm: Arm, seed: int, group: tuple[str, ...]) -> str:
    """A folder's name that is safe whatever arms and tasks are called: numbers decide, words only help."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", arm.name).strip("-")[:30]
    return f"seed{seed}-arm{number}-{words}-{arm.groups.index(group)}"
