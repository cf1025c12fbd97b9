"""Networks that measures of relatedness need: joint networks, single-task networks, and networks that start from a single-task network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polytask.architectures import Network, measure_cost
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import RelateConfig
from polytask.options.measurements.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.affinity_callback import AFFINITY, default_interval
from polytask.studies.execution.job_training import Job, JobContext, callback_names, make_jobs
from polytask.studies.execution.run_jobs import StudyProgressHook, train_jobs
from polytask.studies.setup.resolve_config import network_plan
from polytask.studies.spec.arms import SINGLE, ResolvedArm, parse_arm
from polytask.studies.tables.accepted_arms import check_networks
from polytask.tasks import Task

CHEAP_MULTIPLY_ADDS = 100_000
"""Largest number of multiply-adds per row for which the cost of more rows is negligible against the overhead of a forward pass."""

MEASURED_ROWS = 256
"""Rows per measured step if rows are cheap and a training step has fewer."""


@dataclass(frozen=True)
class RelateNetworks:
    """Networks to train for the chosen measures.

    Attributes:
        joint: One network of all tasks per seed, in which affinities are measured.
        single: One single-task network per task and seed.
        transfer: One network per seed and ordered pair of tasks: it learns one task, starting from the single-task network of the other.
    """

    joint: tuple[Job, ...]
    single: tuple[Job, ...]
    transfer: tuple[Job, ...]

    @property
    def all(self) -> tuple[Job, ...]:
        """All networks."""
        return (*self.joint, *self.single, *self.transfer)


def make_relate_networks(config: RelateConfig, tasks: Sequence[str], folder: Path) -> RelateNetworks:
    """Return the networks that the measures need.

    Args:
        config: Configuration with the measures.
        tasks: Names of all tasks.
        folder: Folder for the networks during the run.

    Raises:
        ConfigError: The balancer does not train all tasks in one network.
    """
    joint = parse_arm(config.balancer, tasks)
    check_networks([joint])
    if len(joint.groups) > 1:
        what = "affinities are measured in a network that learns all tasks"
        raise ConfigError(what, where=f"balancer {config.balancer!r}", remedy="Choose 'equal' or another balancer")
    single = parse_arm(SINGLE, tasks)
    transfer = {task: ResolvedArm(f"transfer from {task}", tuple((other,) for other in tasks if other != task)) for task in tasks}
    jobs = make_jobs((joint, single, *transfer.values()), config.seeds, folder)
    trained = {(job.seed, job.tasks[0]): job.result for job in jobs if job.arm is single}
    source = {arm.name: task for task, arm in transfer.items()}
    wanted = set(config.measures)
    return RelateNetworks(
        joint=tuple(job for job in jobs if job.arm is joint and wanted & set(IN_THE_JOINT_RUN)),
        single=tuple(job for job in jobs if job.arm is single and wanted - set(IN_THE_JOINT_RUN)),
        transfer=tuple(
            replace(job, start=trained[job.seed, source[job.arm.name]])
            for job in jobs
            if job.arm not in (joint, single) and "transfer" in wanted
        ),
    )


def train_relate_networks(
    networks: RelateNetworks, config: RelateConfig, context: JobContext, progress: StudyProgressHook, *, whole: bool = True
) -> None:
    """Train the networks that are not trained yet.

    Args:
        networks: Networks to train.
        config: Resolved configuration.
        context: Data and options shared by all networks.
        progress: Function that is called with the progress over all networks.
        whole: Whether joint networks use their whole budget: early stopping would leave few steps to measure.
    """
    measures = [measure for measure in config.measures if measure in IN_THE_JOINT_RUN]
    options = context.options.model_copy(update={"patience": None}) if whole else context.options
    observed = replace(
        context, options=options, observe={"measures": measures, "every": config.measure_every, "rows": config.measured_rows}
    )
    done, total = 0, len(networks.all)
    for jobs, assignment in ((networks.joint, observed), (networks.single, context), (networks.transfer, context)):
        if jobs:
            train_jobs(jobs, assignment, config.workers or 1, _offset_progress(progress, done, total))
        done += len(jobs)


def _offset_progress(report: StudyProgressHook, done: int, total: int) -> StudyProgressHook:
    """Return a hook that reports the progress of some networks as part of the progress of all."""
    return lambda progress: report(replace(progress, done=done + progress.done, total=total))


def check_relate_config(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> None:
    """Check, before anything is trained, that the measures are possible.

    Raises:
        ConfigError: There are fewer than two tasks, the joint network has no shared parameters, no two tasks have a source in common,
            or a measure needs to know the heads of the user's own network.
    """
    if len(tasks) < 2:
        raise ConfigError("relatedness needs at least two tasks", where="tasks", found=len(tasks))
    if AFFINITY in callback_names(config.callbacks):
        raise ConfigError("affinities are measured already", where="callbacks", found=AFFINITY, remedy="Choose `measures` instead")
    apart = [measure for measure in config.measures if measure not in IN_THE_JOINT_RUN]
    if config.model is not None and apart:
        what, remedy = "a model of your own does not tell its heads from the rest, which this measure needs", "Choose cosine or lookahead"
        raise ConfigError(what, where="measures", found=", ".join(apart), remedy=remedy)
    if set(config.measures) & set(IN_THE_JOINT_RUN) and not _build_joint_model(config, sources, tasks).shared_parameters():
        remedy = "Choose an architecture with shared parameters, such as 'hard', or other measures"
        raise ConfigError(
            "this network has no shared parameters whose gradients can be compared",
            where="architecture" if config.model is None else "model",
            found=config.model or config.architecture,
            remedy=remedy,
        )
    if "similarity" in config.measures and not any(_sources_with_several_tasks(sources, tasks)):
        raise ConfigError("no two tasks have a source in common", where="measures, similarity", remedy="Leave this measure out")


def _sources_with_several_tasks(sources: Sequence[Source], tasks: Sequence[Task]) -> Iterator[bool]:
    """Return, for every source, whether it has labels of several of the tasks."""
    names = {task.name for task in tasks}
    return (len(names & set(source.tasks)) > 1 for source in sources)


def _build_joint_model(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> Network:
    arm = parse_arm(config.balancer, [task.name for task in tasks])
    return arm.plan(network_plan(config, sources)).build(tasks, seed=0)


def resolve_relate_config(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> RelateConfig:
    """Return the configuration with the defaults that depend on the tasks and the network filled in.

    Args:
        config: Configuration in which everything else is resolved.
        sources: Training sources.
        tasks: All tasks.
    """
    every = config.measure_every or default_interval(len(tasks), bfloat16=config.training.precision == "bfloat16")
    rows = config.measured_rows or default_measured_rows(config, sources, tasks)
    groups = config.max_groups or default_group_count(len(tasks))
    return config.model_copy(update={"measure_every": every, "measured_rows": rows, "max_groups": groups})


def default_measured_rows(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> int | None:
    """Return 256 if steps have fewer rows and rows are cheap, as in tables; otherwise `None`, for the rows of the step."""
    if config.training.batch_size >= MEASURED_ROWS:
        return None
    labeled = {source.name: [task.name for task in tasks if task.name in source.labels] for source in sources}
    shapes = {source.name: source.input_shape for source in sources if labeled[source.name]}
    return (
        MEASURED_ROWS
        if measure_cost(_build_joint_model(config, sources, tasks), shapes, labeled).multiply_adds <= CHEAP_MULTIPLY_ADDS
        else None
    )


def default_group_count(tasks: int) -> int:
    """Return the largest number of networks to propose: 2 for up to 6 tasks, 3 for up to 12, then a quarter of the tasks, rounded up.

    Example:
        >>> [default_group_count(tasks) for tasks in (2, 6, 7, 12, 13, 40)]
        [2, 2, 3, 3, 4, 10]
    """
    return 2 if tasks <= 6 else max(3, -(-tasks // 4))
