"""The networks in which, or between which, relatedness is measured: joint ones, single-task ones, and those that start from the latter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polytask.architectures import MultiTaskModel, cost_of
from polytask.data import Source
from polytask.errors import ConfigError
from polytask.options import RelateConfig
from polytask.options.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.observing import stretch
from polytask.study.arms import SINGLE, Arm, parse_arm
from polytask.study.jobs import Assignment, Job, jobs_of
from polytask.study.resolving import plan_of
from polytask.study.running import Watch, train_all
from polytask.tasks import Task

CHEAP = 100_000
"""Up to so many multiply-adds a row costs next to nothing beside what a forward takes anyway."""

ROWS = 256
"""So many rows are looked at where they are cheap and a step has fewer."""


@dataclass(frozen=True)
class Networks:
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


def networks_of(config: RelateConfig, tasks: Sequence[str], folder: Path) -> Networks:
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
    jobs = jobs_of((joint, single, *transfer.values()), config.seeds, folder)
    trained = {(job.seed, job.tasks[0]): job.result for job in jobs if job.arm is single}
    source = {arm.name: task for task, arm in transfer.items()}
    wanted = set(config.measures)
    return Networks(
        joint=tuple(job for job in jobs if job.arm is joint and wanted & set(IN_THE_JOINT_RUN)),
        single=tuple(job for job in jobs if job.arm is single and wanted - set(IN_THE_JOINT_RUN)),
        transfer=tuple(
            replace(job, start=trained[job.seed, source[job.arm.name]])
            for job in jobs
            if job.arm not in (joint, single) and "transfer" in wanted
        ),
    )


def train_networks(networks: Networks, config: RelateConfig, assigned: Assignment, watch: Watch, *, whole: bool = True) -> None:
    """Train what is not trained yet.

    Args:
        networks: Which.
        config: Resolved.
        assigned: What all networks have in common.
        watch: Is told how far they are.
        whole: Whether joint networks use their whole budget: stopping early would leave few steps to measure in.
    """
    measures = [measure for measure in config.measures if measure in IN_THE_JOINT_RUN]
    options = assigned.options.model_copy(update={"patience": None}) if whole else assigned.options
    observed = replace(assigned, options=options, observe={"measures": measures, "every": config.every, "rows": config.rows})
    done, total = 0, len(networks.all)
    for jobs, assignment in ((networks.joint, observed), (networks.single, assigned), (networks.transfer, assigned)):
        if jobs:
            train_all(jobs, assignment, config.workers or 1, _counting(watch, done, total))
        done += len(jobs)


def _counting(watch: Watch, done: int, total: int) -> Watch:
    """Tells of some of the networks as a part of all."""
    return lambda progress: watch(replace(progress, done=done + progress.done, total=total))


def check_measurable(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> None:
    """Refuse what cannot be measured before anything is trained.

    Raises:
        ConfigError: Fewer than two tasks; nothing is shared in the joint network; no two tasks have a source in common.
    """
    if len(tasks) < 2:
        raise ConfigError("relatedness is between tasks: two at least are needed", where="tasks", found=len(tasks))
    if set(config.measures) & set(IN_THE_JOINT_RUN) and not _joint(config, sources, tasks).shared_parameters():
        remedy = "Take a way of sharing with common parameters, such as hard, or other measures"
        raise ConfigError(
            "nothing is shared whose gradients could be compared", where="architecture", found=config.architecture, remedy=remedy
        )
    if "similarity" in config.measures and not any(_common(sources, tasks)):
        raise ConfigError("no two tasks have a source in common", where="measures, similarity", remedy="Leave this measure out")


def _common(sources: Sequence[Source], tasks: Sequence[Task]) -> Iterator[bool]:
    """Per source whether it labels several of the tasks."""
    names = {task.name for task in tasks}
    return (len(names & set(source.tasks)) > 1 for source in sources)


def _joint(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> MultiTaskModel:
    arm = parse_arm(config.balancer, [task.name for task in tasks])
    return arm.plan(plan_of(config, sources)).build(tasks, seed=0)


def filled_in(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> RelateConfig:
    """The configuration with the choices in it that follow from the tasks and the network.

    Args:
        config: Resolved otherwise.
        sources: Training sources.
        tasks: All tasks.
    """
    every = config.every or stretch(len(tasks), bfloat16=config.training.precision == "bfloat16")
    rows = config.rows or usual_rows(config, sources, tasks)
    return config.model_copy(update={"every": every, "rows": rows, "groups": config.groups or usual_groups(len(tasks))})


def usual_rows(config: RelateConfig, sources: Sequence[Source], tasks: Sequence[Task]) -> int | None:
    """256 where steps have fewer rows and these cost little, as those of tables do; else none: the rows of the step."""
    if config.training.batch_size >= ROWS:
        return None
    labelled = {source.name: [task.name for task in tasks if task.name in source.labels] for source in sources}
    shapes = {source.name: source.inputs.shape[1:] for source in sources if labelled[source.name]}
    return ROWS if cost_of(_joint(config, sources, tasks), shapes, labelled).multiply_adds <= CHEAP else None


def usual_groups(tasks: int) -> int:
    """How many networks are proposed at most: 2 for up to 6 tasks, 3 for up to 12, a quarter of the tasks beyond.

    Example:
        >>> [usual_groups(tasks) for tasks in (2, 6, 7, 12, 13, 40)]
        [2, 2, 3, 3, 4, 10]
    """
    return 2 if tasks <= 6 else max(3, -(-tasks // 4))
