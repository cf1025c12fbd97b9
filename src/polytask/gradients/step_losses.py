"""The losses of one step: over its micro-batches, and over the processes that hold parts of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator, peer_failure
from polytask.tasks import Loss

Losses = Mapping[str, Tensor | Loss]
Counts = Mapping[str, int]


@dataclass
class StepLosses:
    """Losses and labeled units that have been seen of one step.

    Attributes:
        means: Per task Σ of the losses seen here / labeled units of the whole step, without graph.
        seen: Per task the labeled units seen here.
        whole: Per task the labeled units of the whole step, in all processes; None where losses are means already.
    """

    means: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] | None = None

    def take(self, tasks: tuple[str, ...], losses: Losses, counts: Counts | None) -> dict[str, Tensor]:
        """Take in a micro-batch; return per task its part of the step's mean loss, with its graph.

        Args:
            tasks: All tasks, in their order.
            losses: Per task present its loss.
            counts: Labelled units per task of the whole step in this process, if it comes in parts.

        Raises:
            ConfigError: A mean without a count in a micro-batch; more labeled units than announced.
        """
        return {task: self._part_of(task, losses[task], counts) for task in tasks if task in losses}

    def _part_of(self, task: str, loss: Tensor | Loss, counts: Counts | None) -> Tensor:
        if self.whole is None:
            part = loss.mean if isinstance(loss, Loss) else loss
        elif isinstance(loss, Loss):
            self._count(task, loss.count, counts)
            part = loss.sum / self.whole[task]
        else:
            raise ConfigError(
                "micro-batches and several processes need losses with counts", where=f"task {task!r}", remedy="Pass Loss(sum, count)"
            )
        self.means[task] = self.means[task] + part.detach() if task in self.means else part.detach()
        return part

    def _count(self, task: str, count: int, counts: Counts | None) -> None:
        if counts is None:
            return
        self.seen[task] = self.seen.get(task, 0) + count
        if self.seen[task] > counts.get(task, 0):
            found = f"{self.seen[task]} of {counts.get(task, 0)}"
            raise ConfigError("a micro-batch brings more labeled units than the step announced", where=f"task {task!r}", found=found)

    def complete(self, counts: Counts | None) -> bool:
        """Return whether all labeled units of the step have been seen here."""
        return counts is None or all(self.seen.get(task, 0) == count for task, count in counts.items())

    def present(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tasks with a labeled unit in this step, wherever it may be, in their order."""
        return tuple(task for task in tasks if (task in self.means if self.whole is None else self.whole.get(task, 0)))

    def values(self, names: tuple[str, ...], communicator: Communicator | None) -> Tensor:
        """Return the tasks' mean losses (T,) in float64.

        Args:
            names: The tasks present.
            communicator: The processes to sum over; None for this one alone.
        """
        if not names:
            return torch.zeros(0, dtype=torch.float64)
        found = [self.means[name] for name in names if name in self.means]
        local = torch.stack([self.means[name] if name in self.means else torch.zeros_like(found[0]) for name in names]) if found else None
        exact = torch.zeros(len(names), dtype=torch.float64) if local is None else local.double().cpu()
        return exact if communicator is None else communicator.all_reduce(exact)


@dataclass(frozen=True)
class AgreedCounts:
    """What all processes know of a step before they walk its graphs.

    Attributes:
        counts: Per task the labeled units of the step in all processes.
        in_parts: Whether the step comes in micro-batches in any of them.
    """

    counts: dict[str, int]
    in_parts: bool


def agree_on_counts(tasks: tuple[str, ...], losses: Losses, counts: Counts | None, communicator: Communicator) -> AgreedCounts:
    """Check a step's losses and counts, and sum the counts over the processes.

    Args:
        tasks: All tasks.
        losses: Per task present its loss.
        counts: Labelled units per task of the whole step in this process, if it comes in parts.
        communicator: The processes.

    Raises:
        ConfigError: The losses or counts are wrong, here or in another process: so none of them waits for ever.
    """
    problem = wrong_losses(tasks, losses, counts, communicator)
    given = {task: loss.count for task, loss in losses.items() if isinstance(loss, Loss)}
    local = given if counts is None else counts
    in_parts = any(given.get(task, 0) < count for task, count in local.items())
    told = torch.tensor([problem is not None, in_parts, *(local.get(task, 0) for task in tasks)], dtype=torch.float64)
    failed, parted, *whole = communicator.all_reduce(told).tolist()
    if problem is not None:
        raise problem
    if failed:
        raise peer_failure()
    return AgreedCounts({task: int(count) for task, count in zip(tasks, whole, strict=True)}, in_parts=parted > 0)


def wrong_losses(tasks: tuple[str, ...], losses: Losses, counts: Counts | None, communicator: Communicator) -> ConfigError | None:
    """Return what is wrong with losses and counts before any graph is walked, if something is."""
    for given, what in ((losses, "losses"), (counts or {}, "counts")):
        foreign = _foreign(given, tasks)
        if foreign is not None:
            return ConfigError(f"unknown task among the {what}", where=repr(foreign), remedy=f"Tasks: {', '.join(tasks)}")
    if communicator.distributed:
        means = [task for task, loss in losses.items() if not isinstance(loss, Loss)]
        if means:
            remedy = "Pass Loss(sum, count)"
            return ConfigError("several processes need losses with counts", where=f"task {means[0]!r}", remedy=remedy)
    return None


def _foreign(given: Iterable[str], tasks: tuple[str, ...]) -> str | None:
    return next((task for task in given if task not in tasks), None)
