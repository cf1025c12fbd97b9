"""The networks in which, or between which, relatedness is measured: joint ones, single-task ones, and those that start from the latter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polytask.architectures import MultiTaskModel, measure_cost
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import RelateConfig
from polytask.options.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.affinity_callback import default_interval
from polytask.studies.execution.jobs import Job, JobContext, make_jobs
from polytask.studies.execution.run_jobs import StudyProgressHook, train_jobs
from polytask.studies.setup.resolve_config import network_plan
from polytask.studies.spec.arms import SINGLE, Arm, parse_arm
from polytask.tasks import Task

CHEAP_MULTIPLY_ADDS = 100_000
"""Up to so many multiply-adds a row costs next to nothing beside what a forward takes anyway."""

MEASURED_ROWS = 256
"""So many rows are looked at where they are cheap and a step has fewer."""


@dataclass(frozen=True)
class RelateNetworks:
    """What is to be trained.

    Attributes:
        joint: A network of all tasks per seed, in which is measured.
        single: A network per task and seed.
        transfer: Per seed a network per pair of tasks: it learns the one, and starts from the single-task network of the other.
    """

    joint: tuple[Job, ...]
    single: tuple[Job, ...]
    transfer: tuple[Job, ...]

    @property
    def all(self) -> tuple[Job, ...]:
        """Every network."""
        return (*self.joint, *self.single, *self.transfer)


def make_relate_networks(config: RelateConfig, tasks: Sequence[str], folder: Path) -> RelateNetworks:
    """The networks that the measures need.

    Args:
        config: Names the measures.
        tasks: All tasks.
        folder: Where networks go while the run lasts.

    Raises:
        ConfigError: The balancer is none that learns all tasks in one network.
    """
    joint = parse_arm(config.balancer, tasks)
    if len(joint.groups) > 1:
        what = "affinities are measured in a network that learns all tasks"
        raise ConfigError(what, where=f"balancer {config.balancer!r}", remedy="Take equal, or another balancer")
    single = Arm(SINGLE, tuple((task,) for task in tasks))
    transfer = {task: Arm(f"transfer from {task}", tuple((other,) for other in tasks if other != task)) for task in tasks}
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
    """Train what is not trained yet.

    Args:
        networks: Which.
        config: Resolved.
        context: What all networks have in common.
        progress: Is told how far they are.
        whole: Whether joint networks use their whole budget: stopping early would leave few steps to measure in.
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
    """Tells of some of the networks as a part of all."""
    return lambda progress: report(replace(progress, done=done + progress.done, total=total))


def check_relate_config(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> None:
    """Refuse what cannot be measured before anything is trained.

    Raises:
        ConfigError: Fewer than two tasks; nothing is shared in the joint network; no two tasks have a source in common.
    """
    if len(tasks) < 2:
        raise ConfigError("relatedness is between tasks: two at least are needed", where="tasks", found=len(tasks))
    if set(config.measures) & set(IN_THE_JOINT_RUN) and not _build_joint_model(config, sources, tasks).shared_parameters():
        remedy = "Take a way of sharing with common parameters, such as hard, or other measures"
        raise ConfigError(
            "nothing is shared whose gradients could be compared", where="architecture", found=config.architecture, remedy=remedy
        )
    if "similarity" in config.measures and not any(_sources_with_several_tasks(sources, tasks)):
        raise ConfigError("no two tasks have a source in common", where="measures, similarity", remedy="Leave this measure out")


def _sources_with_several_tasks(sources: Sequence[Source], tasks: Sequence[Task]) -> Iterator[bool]:
    """Per source whether it labels several of the tasks."""
    names = {task.name for task in tasks}
    return (len(names & set(source.tasks)) > 1 for source in sources)


def _build_joint_model(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> MultiTaskModel:
    arm = parse_arm(config.balancer, [task.name for task in tasks])
    return arm.plan(network_plan(config, sources)).build(tasks, seed=0)


def resolve_relate_config(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> RelateConfig:
    """The configuration with the choices in it that follow from the tasks and the network.

    Args:
        config: Resolved otherwise.
        sources: Training sources.
        tasks: All tasks.
    """
    every = config.measure_every or default_interval(len(tasks), bfloat16=config.training.precision == "bfloat16")
    rows = config.measured_rows or default_measured_rows(config, sources, tasks)
    groups = config.max_groups or default_group_count(len(tasks))
    return config.model_copy(update={"measure_every": every, "measured_rows": rows, "max_groups": groups})


def default_measured_rows(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> int | None:
    """256 where steps have fewer rows and these cost little, as those of tables do; else none: the rows of the step."""
    if config.training.batch_size >= MEASURED_ROWS:
        return None
    labeled = {source.name: [task.name for task in tasks if task.name in source.labels] for source in sources}
    shapes = {source.name: source.inputs.shape[1:] for source in sources if labeled[source.name]}
    return (
        MEASURED_ROWS
        if measure_cost(_build_joint_model(config, sources, tasks), shapes, labeled).multiply_adds <= CHEAP_MULTIPLY_ADDS
        else None
    )


def default_group_count(tasks: int) -> int:
    """How many networks are proposed at most: 2 for up to 6 tasks, 3 for up to 12, a quarter of the tasks beyond.

    Example:
        >>> [default_group_count(tasks) for tasks in (2, 6, 7, 12, 13, 40)]
        [2, 2, 3, 3, 4, 10]
    """
    return 2 if tasks <= 6 else max(3, -(-tasks // 4))
