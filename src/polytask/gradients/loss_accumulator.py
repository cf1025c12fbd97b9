"""Losses of one step, summed over its micro-batches and over processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.primitives.communicator import Communicator, peer_failure
from polytask.registry.resolve import described
from polytask.tasks import Loss

Losses = Mapping[str, Tensor | Loss]
Counts = Mapping[str, int]


@dataclass
class StepLosses:
    """Losses and labeled units of one step so far.

    Attributes:
        means: Sum of the losses in this process / labeled units of the whole step, per task, without graph.
        seen: Labeled units per task in this process so far.
        whole: Labeled units per task of the whole step in all processes; `None` if the losses are means.
    """

    means: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] | None = None
    _announced: Counts | None = None

    def open(self, tasks: tuple[str, ...], losses: Losses, counts: Counts | None, communicator: Communicator) -> bool:
        """Determine the labeled units of the whole step from its first micro-batch; return whether any process cuts the step into parts.

        Raises:
            ConfigError: The losses or counts are wrong.
        """
        self._announced = counts
        if communicator.distributed:
            agreed = agree_on_counts(tasks, losses, counts, communicator)
            self.whole = agreed.counts
            return agreed.in_parts
        problem = wrong_losses(tasks, losses, counts, communicator)
        if problem is not None:
            raise problem
        self.whole = None if counts is None else dict(counts)
        return False

    def check_part(self, tasks: tuple[str, ...], losses: Losses, counts: Counts | None, communicator: Communicator) -> None:
        """Check a micro-batch after the first one.

        Raises:
            ConfigError: The losses or counts are wrong, or the counts are not those of the first one.
        """
        problem = wrong_losses(tasks, losses, counts, communicator)
        if problem is not None:
            raise problem
        if counts is None or self._announced is None or dict(counts) != dict(self._announced):
            remedy = "Pass the labeled units of the whole step with each of them"
            raise ConfigError("all micro-batches of a step need the same counts", where="counts", found=counts or "none", remedy=remedy)

    def take(self, tasks: tuple[str, ...], losses: Losses, counts: Counts | None) -> dict[str, Tensor]:
        """Take a micro-batch, and return its part of the step's mean loss per task, with its graph.

        Args:
            tasks: Names of all tasks, in order.
            losses: Loss per task present.
            counts: Labeled units per task of the whole step in this process; `None` if the step is not cut into micro-batches.

        Raises:
            ConfigError: A loss has no count, or there are more labeled units than announced.
        """
        return {task: self._part_of(task, losses[task], counts) for task in tasks if task in losses}

    def _part_of(self, task: str, loss: Tensor | Loss, counts: Counts | None) -> Tensor:
        if self.whole is None:
            part = loss.sum / loss.count if isinstance(loss, Loss) else loss.reshape(()) if loss.ndim else loss
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
            raise ConfigError("the micro-batches have more labeled units than the step announced", where=f"task {task!r}", found=found)

    def complete(self, counts: Counts | None) -> bool:
        """Return whether this process has seen all its labeled units of the step."""
        return counts is None or all(self.seen.get(task, 0) == count for task, count in counts.items())

    def present(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tasks with a labeled unit in this step, in any process, in their order."""
        return tuple(task for task in tasks if (task in self.means if self.whole is None else self.whole.get(task, 0)))

    def values(self, names: tuple[str, ...], communicator: Communicator | None) -> Tensor:
        """Return the mean losses (T,) in float64.

        Args:
            names: Tasks present.
            communicator: Processes to sum over; `None` for this process only.
        """
        if not names:
            return torch.zeros(0, dtype=torch.float64)
        exact = self.stacked(names).cpu().double()
        return exact if communicator is None else communicator.all_reduce(exact)

    def stacked(self, names: tuple[str, ...]) -> Tensor:
        """Return the mean losses (T,) in this process, on their device."""
        found = [self.means[name] for name in names if name in self.means]
        if not found:
            return torch.zeros(len(names), dtype=torch.float64)
        return torch.stack([self.means[name] if name in self.means else torch.zeros_like(found[0]) for name in names])


@dataclass(frozen=True)
class AgreedCounts:
    """Facts about a step on which all processes agree before they backpropagate.

    Attributes:
        counts: Labeled units per task of the step in all processes.
        in_parts: Whether the step is cut into micro-batches in any process.
    """

    counts: dict[str, int]
    in_parts: bool


def agree_on_counts(tasks: tuple[str, ...], losses: Losses, counts: Counts | None, communicator: Communicator) -> AgreedCounts:
    """Check a step's losses and counts, and sum the counts over the processes.

    Args:
        tasks: Names of all tasks.
        losses: Loss per task present.
        counts: Labeled units per task of the whole step in this process; `None` if the step is not cut into micro-batches.
        communicator: Communicator of the processes.

    Raises:
        ConfigError: The losses or counts are invalid in this or another process; all processes raise, so that none waits forever.
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
    """Return the error for invalid losses or counts, or `None` if they are valid."""
    wrong = None if counts is None else _wrong_counts(counts)
    if wrong is not None:
        return wrong
    for given, what in ((losses, "losses"), (counts or {}, "counts")):
        foreign = next((task for task in given if task not in tasks), None)
        if foreign is not None:
            return ConfigError(f"unknown task among the {what}", where=repr(foreign), remedy=f"Tasks: {', '.join(tasks)}")
    for task, loss in losses.items():
        if isinstance(loss, Loss) and not _is_count(loss.count, least=1):
            return ConfigError("a number of labeled units above 0 is needed", where=f"task {task!r}, count", found=described(loss.count))
        value = loss.sum if isinstance(loss, Loss) else loss
        if not isinstance(value, Tensor) or value.numel() != 1 or value.is_complex() or value.is_meta:
            return _wrong_loss(task, value)
    if communicator.distributed:
        means = [task for task, loss in losses.items() if not isinstance(loss, Loss)]
        if means:
            remedy = "Pass Loss(sum, count)"
            return ConfigError("several processes need losses with counts", where=f"task {means[0]!r}", remedy=remedy)
    return None


def _wrong_counts(counts: object) -> ConfigError | None:
    if not isinstance(counts, Mapping):
        return ConfigError("a number of labeled units per task name is needed", where="counts", found=described(counts))
    wrong = [task for task, count in counts.items() if not _is_count(count, least=0)]
    if wrong:
        return ConfigError("a number of labeled units is needed", where=f"counts, task {wrong[0]!r}", found=described(counts[wrong[0]]))
    return None


def _is_count(value: Any, *, least: int) -> bool:  # noqa: ANN401 - whatever the user gives
    try:
        return index(value) >= least
    except TypeError:
        return False


def _wrong_loss(task: str, value: object) -> ConfigError:
    """Return the error for a loss that is no real scalar tensor."""
    found, remedy = described(value), "Pass the tensor that the loss function returns, or leave the task out of this step"
    if isinstance(value, Tensor):
        found, remedy = f"shape {tuple(value.shape)}, {value.dtype}", "Take the mean over the rows: loss.mean()"
        if value.is_meta:
            found, remedy = "a tensor without values on the device meta", "Compute the loss on the device of the network"
    return ConfigError("a loss must be a scalar tensor", where=f"task {task!r}", found=found, remedy=remedy)
