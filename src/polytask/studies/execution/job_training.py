"""Jobs of a study: each trains one network and stores it in its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from polytask.architectures import Network, measure_cost, network_parts
from polytask.architectures.network.plan import Plan
from polytask.balancing.factory import balancer_named
from polytask.data import Source
from polytask.errors import NonFiniteError
from polytask.options import TrainingOptions
from polytask.registry.registered import spec_of
from polytask.registry.resolve import resolve
from polytask.relatedness import AffinityCallback, copy_shared_weights
from polytask.relatedness.affinity_callback import AFFINITY
from polytask.run_files import JobProgress
from polytask.storage import delete_checkpoints, has_state, load_state, make_folder, save_state
from polytask.studies.execution.baseline_fit import BaselineFit, fit_baseline, openmp_threads
from polytask.studies.execution.function_fit import FunctionJob, TrainFunction, fit_function
from polytask.studies.execution.study_progress import write_status
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.spec.run_logger import RunLogger
from polytask.studies.stored_facts import load_facts, store_measured
from polytask.studies.tables.table_arm_fit import fit_table_arm
from polytask.studies.tuning.search_space import Settings, apply_settings
from polytask.tasks import Task
from polytask.training import ProgressHook, fit
from polytask.training.fit_result import FitResult
from polytask.training.optimization.task_control import TaskControl, options_for
from polytask.training.preparation.label_share import LabelShare
from polytask.training.trained_network import TrainedNetwork, load_network, save_network

STATE = "state"
"""Folder of the newest checkpoint in that of a job."""


@dataclass(frozen=True)
class Job:
    """Training of one network of one arm and seed.

    Attributes:
        arm: Arm that the network belongs to.
        seed: Root of the random streams; all arms use the same seeds, which makes their networks paired.
        tasks: Names of the tasks that the network learns.
        folder: Folder for its state, status and result.
        settings: Values of tuned settings.
        trial: Number of the trial during tuning, from 1; `None` for other networks.
        start: Folder of a trained network whose weights, except for the heads, it starts from; `None` for a random initialization.
        device: Name of the device of the network; empty for that of the options.
    """

    arm: ResolvedArm
    seed: int
    tasks: tuple[str, ...]
    folder: Path
    settings: Settings = field(default_factory=dict)
    trial: int | None = None
    start: Path | None = None
    device: str = ""

    @property
    def label(self) -> str:
        """Name of the job in messages; no two jobs of a run share it."""
        return self._named(self.arm.name)

    @property
    def title(self) -> str:
        """Name of the job in displays, with the display name of its arm."""
        return self._named(self.arm.title)

    def _named(self, arm: str) -> str:
        part = f" {'+'.join(self.tasks)}" if len(self.arm.groups) > 1 else ""
        return f"{arm}{part}, {f'seed {self.seed}' if self.trial is None else f'trial {self.trial}'}"

    @property
    def result(self) -> Path:
        """Folder of the trained network."""
        return self.folder / "network"

    @property
    def finished(self) -> bool:
        """Whether the trained network is stored."""
        return has_state(self.result)

    @property
    def reached(self) -> JobProgress | None:
        """Progress when it last paused or finished; `None` before."""
        path = self.folder / _PROGRESS_FILE
        return JobProgress.read(path) if path.exists() else None

    def has_reached(self, epoch: int, epochs: int) -> bool:
        """Return whether nothing is left to do until an epoch.

        The progress is written before the network: a network that is trained to its end and is not stored was killed in between.

        Args:
            epoch: Epoch, from 1.
            epochs: Largest number of epochs.
        """
        found = None if self.finished else self.reached
        return self.finished or (found is not None and found.epoch >= epoch and (found.epoch < epochs or found.scores is None))


@dataclass(frozen=True)
class JobContext:
    """Data and options shared by all jobs of a study.

    Attributes:
        sources: Training sources; jobs never see test rows.
        tasks: All tasks.
        plan: Plan of the networks, before arms change it.
        batch_sizes: Rows per source and step, the same in every arm; `None` if `options` alone determine how sources are sampled.
        options: Resolved training options.
        callbacks: Callbacks of every network, as users write them.
        logger: Where networks record their values; `None` records nothing.
        observe: Arguments of `polytask.relatedness.AffinityCallback` for networks with several tasks; `None` measures nothing.
        function: Training function of the user, in the place of networks.
        initialize: Function that gives every new network its first weights; `None` for a random initialization.
    """

    sources: tuple[Source, ...]
    tasks: tuple[Task, ...]
    plan: Plan
    batch_sizes: dict[str, int] | None
    options: TrainingOptions
    callbacks: tuple[str, ...] = ()
    logger: RunLogger | None = None
    observe: Mapping[str, Any] | None = None
    function: TrainFunction | None = None
    initialize: Callable[[Network], None] | None = None

    @property
    def shared_sources(self) -> tuple[Source, ...]:
        """All sources that jobs read: the training sources, and after them the test inputs of a training function."""
        return self.sources if self.function is None else (*self.sources, *self.function.test)

    def without_sources(self) -> JobContext:
        """Return the context without the sources, for transfer to a worker."""
        return replace(self, sources=(), function=None if self.function is None else replace(self.function, test=()))

    def with_sources(self, shared: Sequence[Source]) -> JobContext:
        """Return the context with sources in the order of `shared_sources`."""
        if self.function is None:
            return replace(self, sources=tuple(shared))
        count = len(shared) - len(self.function.test_tasks)
        return replace(self, sources=tuple(shared[:count]), function=replace(self.function, test=tuple(shared[count:])))


ChosenSettings = Mapping[tuple[str, tuple[str, ...]], Settings]
"""Chosen settings per name of an arm and group of tasks; networks without an entry are not tuned."""


def make_jobs(arms: Sequence[ResolvedArm], seeds: Sequence[int], folder: Path, chosen: ChosenSettings | None = None) -> tuple[Job, ...]:
    """Return the jobs of all networks, seed by seed, so that an interrupted study has complete seeds."""
    wanted = [(number, arm, seed, group) for seed in seeds for number, arm in enumerate(arms) for group in arm.groups]
    settings = {} if chosen is None else chosen
    return tuple(
        Job(arm, seed, group, folder / _folder_name(number, arm, seed, group), settings.get((arm.name, group), {}))
        for number, arm, seed, group in wanted
    )


def train_job(job: Job, context: JobContext, progress: ProgressHook | None = None, stop_after_epoch: int | None = None) -> None:
    """Train one network and store it, unless it is stored already.

    Args:
        job: Job of the network.
        context: Data and options shared by all jobs.
        progress: Function that is called with the progress; by default it is written to the status file of the job.
        stop_after_epoch: Epoch after which to pause; `None` trains to the end. Nothing is done if the network has reached this epoch.
    """
    if job.finished or (stop_after_epoch is not None and job.has_reached(stop_after_epoch, context.options.epochs)):
        return
    make_folder(job.folder)
    if job.arm.baseline:
        fit_job_baseline(job, context)
        return
    tasks = tuple(task for task in context.tasks if task.name in job.tasks)
    if job.arm.table:
        fit_table_arm(job.arm.table, tasks, context.sources, job.result, options=context.options, seed=job.seed)
        return
    if context.function is not None:
        _call_function(job, context, context.function, progress or partial(write_status, job.folder))
        return
    arm, options = apply_settings(job.arm, context.options, job.settings)
    options = options.with_changes({"device": job.device}) if job.device not in ("", options.device) else options
    options = options_for(options, job.tasks, [task.name for task in context.tasks])
    absent = {task.name for task in context.tasks} - set(job.tasks)
    plan = arm.plan(context.plan, absent).for_sources([source.name for source in context.sources if set(source.tasks) & set(job.tasks)])
    model = plan.build(tasks, job.seed)
    _set_first_weights(model, job, context)
    run = fit(
        model,
        context.sources,
        balancer_named(arm.balancer, arm.options, {task.name: task.weight for task in tasks}),
        seed=job.seed,
        batch_sizes=context.batch_sizes,
        checkpoint=job.folder / STATE,
        progress=progress or partial(write_status, job.folder),
        stop_after_epoch=stop_after_epoch,
        callbacks=_callbacks(context, model),
        logger=None if context.logger is None else context.logger.of_job(job.label),
        options=options,
    )
    if job.trial is not None and run.diverged:
        raise NonFiniteError(run.diverged)  # a trial that diverges cannot win, even with an earlier epoch
    _write_progress(job, run, context.options.epochs)
    if run.finished:
        facts = _network_facts(run, context.sources, tasks, callback_names(context.callbacks))
        save_network(job.result, plan, run, store_measured(job.folder, facts))
        delete_checkpoints(job.folder / STATE)


def _set_first_weights(model: Network, job: Job, context: JobContext) -> None:
    """Give the network the weights of the run or the network that it starts from, if there is one."""
    if context.initialize is not None:
        context.initialize(model)
    if job.start is not None:
        copy_shared_weights(model, load_network(job.start, components_of(job, context)).model)


def _write_progress(job: Job, run: FitResult, epochs: int) -> None:
    """Store how far the network is; a finished one counts as trained for all epochs."""
    JobProgress(
        epoch=epochs if run.finished else run.epochs,
        scores=_scores(run),
        seconds=run.seconds,
        steps=run.steps,
        rows=run.rows,
    ).write(job.folder / _PROGRESS_FILE)


def _call_function(job: Job, context: JobContext, function: TrainFunction, progress: ProgressHook) -> None:
    """Call the training function of the user for a job, and store the predictions. It does not pause: a trial is trained to its end."""
    tasks = tuple(task for task in context.tasks if task.name in job.tasks)
    told = FunctionJob(job.label, job.arm.name, job.arm.function_options, job.seed, job.folder, tasks)
    state = fit_function(function, told, context.sources, context.options, progress)
    facts = state["facts"]
    seconds, steps, rows = facts["measured"]["seconds"], facts["used"]["steps"], facts["used"]["rows"]
    reached = JobProgress(epoch=context.options.epochs, scores=(facts["relative"],), seconds=seconds, steps=steps, rows=rows)
    reached.write(job.folder / _PROGRESS_FILE)
    save_state(job.result, {**state, "facts": store_measured(job.folder, facts)})


def fit_job_baseline(job: Job, context: JobContext) -> BaselineFit:
    """Fit the baseline of a job, and store what it has chosen; if this is stored already, fit it again to the same rows to predict."""
    (task,) = (task for task in context.tasks if task.name in job.tasks)
    baseline = resolve("baseline", job.arm.baseline).build()
    if job.finished:
        baseline.load_state_dict(load_state(job.result)["baseline"])
    with openmp_threads(context.options.threads):
        share = LabelShare.of(context.options)
        fraction = context.options.validation_fraction
        fit = fit_baseline(baseline, task, context.sources, validation_fraction=fraction, seed=job.seed, label_share=share)
    if not job.finished:
        save_state(job.result, {"facts": store_measured(job.folder, fit.facts), "baseline": baseline.state_dict()})
    return fit


def train_job_until(job: Job, context: JobContext, stop_after_epoch: int, progress: ProgressHook | None = None) -> None:
    """Train the network of a trial up to an epoch; a loss that is not finite is no error, but the trial cannot win."""
    try:
        train_job(job, context, progress, stop_after_epoch=stop_after_epoch)
    except NonFiniteError:
        diverged = JobProgress(epoch=context.options.epochs, scores=None, seconds=0.0, steps=0, rows=0)
        diverged.write(job.folder / _PROGRESS_FILE)


def _callbacks(assignment: JobContext, model: Network) -> list[str | AffinityCallback]:
    """Return the callbacks of the run, and the measurement of affinities if tasks of the network share parameters.

    A callback for affinities that the user has named takes the place of the study's own.
    """
    measured = assignment.observe is not None and len(model.tasks) > 1 and bool(model.shared_parameters())
    if not measured or AFFINITY in callback_names(assignment.callbacks):
        return [*assignment.callbacks]
    return [AffinityCallback([task.name for task in model.tasks], **(assignment.observe or {})), *assignment.callbacks]


def callback_names(callbacks: Sequence[str]) -> list[str]:
    """Return the names under which callbacks store their results."""
    return [spec_of(resolve("callback", callback).cls, "callback").name for callback in callbacks]


def load_job_network(job: Job, assignment: JobContext | None = None) -> TrainedNetwork:
    """Load the trained network of a finished job; it may use registered components and those of its study."""
    return load_network(job.result, () if assignment is None else components_of(job, assignment))


def components_of(job: Job, assignment: JobContext) -> tuple[Callable[..., Any], ...]:
    """Return the classes and functions that the network of a job uses by import path, and the classes of its tasks."""
    return (*assignment.plan.components(), *job.arm.plan(assignment.plan).components(), *{type(task) for task in assignment.tasks})


def load_job_facts(job: Job) -> Mapping[str, Any]:
    """Load the facts that a finished job recorded.

    Raises:
        DataError: The file was edited: an entry is missing or has the wrong type.
    """
    return load_facts(job.result)


def _network_facts(run: FitResult, sources: Sequence[Source], tasks: Sequence[Task], named: Sequence[str]) -> dict[str, Any]:
    """Return the facts on a training run that the files of a study need."""
    used = {source.name: source for source in sources if source.name in run.normalizations}
    labeled = {name: [task.name for task in tasks if task.name in source.labels] for name, source in used.items()}
    cost = measure_cost(run.model, {name: source.input_shape for name, source in used.items()}, labeled)
    return {
        "validation": {task: dict(metrics) for task, metrics in run.validation.items()},
        "relative": run.relative_score,
        "cost": asdict(cost),
        "parts": [asdict(part) for part in network_parts(run.model)],
        "source_buffers": list(run.model.source_buffers.sources),
        "used": {name: getattr(run, name) for name in ("epochs", "best_epoch", "steps", "rows", "unsolved_steps", "non_finite_steps")},
        "diverged": run.diverged,
        "undertrained": run.options.keep == "best" and run.best_epoch == run.options.epochs,
        "measured": {"seconds": run.seconds, "peak_memory": run.peak_memory, "timeline": [list(point) for point in run.timeline]},
        "matched": None if run.loaded_weights is None else str(run.loaded_weights),
        "observed": dict(run.callback_results.get(AFFINITY, {})),
        "callbacks": {name: run.callback_results[name] for name in named},
        "history": run.history.to_dict(orient="split", index=False),
    }


def _scores(run: FitResult) -> tuple[float, ...]:
    """Return, per epoch, the mean relative validation metric of the epoch that would be kept if it were the last, as tasks start."""
    each = [relative for _, relative in run.timeline]
    begin = TaskControl.of(run.options, list(run.validation)).last_start - 1
    return tuple(each if run.options.keep == "last" else (*accumulate(each[:begin], max), *accumulate(each[begin:], max)))


_PROGRESS_FILE = "progress.json"


def _folder_name(number: int, arm: ResolvedArm, seed: int, group: tuple[str, ...]) -> str:
    """Return a folder name that is safe for any names of arms and tasks: numbers make it unique, the words are only for readers."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", arm.name).strip("-")[:30]
    return f"seed{seed}-arm{number}-{words}-{arm.groups.index(group)}"
