"""Which tasks a network trains in an epoch, and with which factors of their losses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from polytask.errors import ConfigError
from polytask.gradients import Report
from polytask.options import TrainingOptions
from polytask.options.values.weight_schedule import weight_at
from polytask.registry.suggestion import nearest
from polytask.training.optimization.param_groups import TASK_PREFIX

PER_TASK = ("task_starts", "task_patience", "task_weights")
"""Training options that are keyed by tasks."""


@dataclass(frozen=True)
class TaskControl:
    """Start, patience and weight of the tasks of one network.

    A task is active in the epochs from its start on in which its weight is above 0, until it is frozen. The tasks of a network that start
    first are active from epoch 1 on, so that a network of one task does not wait for others; if that is an epoch in which a weight rises
    above 0, its weight holds before it, too.

    Attributes:
        tasks: Names of the tasks of the network.
        starts: First epoch, from 1, in which each task is active.
        patience: Epochs without improvement after which a task is frozen; tasks without an entry are not.
        weights: Points of the weight schedules, by task; tasks without an entry have weight 1.

    Example:
        >>> options = TrainingOptions(task_starts={"depth": 3}, task_weights={"edges": {1: 1.0, 5: 0.0}})
        >>> control = TaskControl.of(options, ("depth", "edges"))
        >>> [control.active(epoch) for epoch in (1, 3, 5)]
        [('edges',), ('depth', 'edges'), ('depth',)]
        >>> control.factors(3)
        {'edges': 0.5}
    """

    tasks: tuple[str, ...]
    starts: Mapping[str, int] = field(default_factory=dict)
    patience: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, options: TrainingOptions, tasks: Sequence[str]) -> TaskControl:
        """Return the control that training options ask for.

        Raises:
            ConfigError: An option names no task of the network, or a task does not start within the epochs of the run.
        """
        for option in PER_TASK:
            for task in getattr(options, option):
                if task not in tasks:
                    raise ConfigError("there is no such task", where=option, found=repr(task), remedy=nearest(task, tuple(tasks)))
        given, weights = options.task_starts, options.task_weights
        begin = min((given.get(task, 1) for task in tasks), default=1)
        declared = {task: 1 if given.get(task, 1) == begin else given[task] for task in tasks}
        starts = {task: _first_weighted(weights.get(task), declared[task], options.epochs) for task in tasks}
        for task, start in starts.items():
            if start > options.epochs:
                option = "task_starts" if declared[task] > options.epochs else "task_weights"
                found = f"{task!r} starts in epoch {start}" if option == "task_starts" else f"the weight of {task!r} is 0 in all of them"
                remedy = "Let it start earlier, or raise epochs"
                raise ConfigError(f"every task must start within the {options.epochs} epochs", where=option, found=found, remedy=remedy)
        begin = min(starts.values(), default=1)
        if begin > 1:  # all weights begin at 0
            first = {task for task, start in starts.items() if start == begin}
            starts = {task: 1 if task in first else start for task, start in starts.items()}
            weights = {task: _held_until(begin, points) if task in first else points for task, points in weights.items()}
        return cls(tuple(tasks), starts, options.task_patience, weights)

    @property
    def last_start(self) -> int:
        """Epoch, from 1, from which on all tasks have started."""
        return max(self.starts.values(), default=1)

    @property
    def late(self) -> frozenset[str]:
        """Tasks that start after epoch 1."""
        return frozenset(task for task, start in self.starts.items() if start > 1)

    def starting(self, epoch: int) -> list[str]:
        """Return the tasks that start in an epoch after the first."""
        return [task for task, start in self.starts.items() if start == epoch > 1]

    def active(self, epoch: int, frozen: Collection[str] = ()) -> tuple[str, ...]:
        """Return the tasks whose labels are used in an epoch, without those that are frozen."""
        there = [task for task in self.tasks if task not in frozen and self.starts.get(task, 1) <= epoch]
        return tuple(task for task in there if task not in self.weights or weight_at(self.weights[task], epoch))

    def converged(self, has_stalled: Callable[[str, int], bool], epoch: int, frozen: Collection[str]) -> list[str]:
        """Return the active tasks whose patience is over at the end of an epoch.

        Args:
            has_stalled: Function that tells whether a task has not improved for so many epochs.
            epoch: Epoch, from 1.
            frozen: Tasks that are frozen.
        """
        return [task for task in self.active(epoch, frozen) if task in self.patience and has_stalled(task, self.patience[task])]

    def factors(self, epoch: int) -> dict[str, float]:
        """Return the factors of the losses in an epoch that differ from 1."""
        found = {task: weight_at(points, epoch) for task, points in self.weights.items()}
        return {task: weight for task, weight in found.items() if weight != 1}


def unweighted(report: Report, factors: Mapping[str, float]) -> Report:
    """Return the report of a step in terms of the losses without factors: ℓ = ℓ′ / f for the loss ℓ′ = f ℓ, and w = f w′ for its weight."""
    losses = {task: loss / factors.get(task, 1.0) for task, loss in report.losses.items()}
    return replace(report, losses=losses, weights={task: w * factors.get(task, 1.0) for task, w in report.weights.items()})


def options_for(options: TrainingOptions, tasks: Collection[str], known: Collection[str]) -> TrainingOptions:
    """Return training options for a network with some of the known tasks, without what is said of the others.

    Example:
        >>> given = TrainingOptions(task_starts={"depth": 3}, lr_multipliers={"task:depth": 0.1, "trunk": 0.5})
        >>> found = options_for(given, ["edges"], ["depth", "edges"])
        >>> found.task_starts, found.lr_multipliers
        ({}, {'trunk': 0.5})
    """
    others = {task for task in known if task not in tasks}
    hidden = {f"{TASK_PREFIX}{task}" for task in others}
    kept = {name: {task: value for task, value in getattr(options, name).items() if task not in others} for name in PER_TASK}
    kept["lr_multipliers"] = {part: factor for part, factor in options.lr_multipliers.items() if part not in hidden}
    changed = {name: value for name, value in kept.items() if value != getattr(options, name)}
    return options.with_changes(changed) if changed else options


def _first_weighted(points: Mapping[int, float] | None, start: int, epochs: int) -> int:
    """Return the first epoch from a start on in which a task has a weight above 0; one after the last epoch if there is none."""
    if points is None:
        return start
    return next((epoch for epoch in range(start, epochs + 1) if weight_at(points, epoch)), epochs + 1 if start <= epochs else start)


def _held_until(epoch: int, points: Mapping[int, float]) -> dict[int, float]:
    """Return a weight schedule that has the weight of an epoch before it, too."""
    return {epoch: weight_at(points, epoch), **{later: weight for later, weight in points.items() if later > epoch}}
