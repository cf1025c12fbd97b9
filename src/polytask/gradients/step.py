"""What has been seen of a step so far: losses, labelled units, and what that makes of each micro-batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.processes import Traffic, another_failed
from polytask.tasks import Loss

Losses = Mapping[str, Tensor | Loss]
Counts = Mapping[str, int]


@dataclass
class StepLosses:
    """The losses of one step, over one or several micro-batches and processes.

    Attributes:
        means: Per task Σ of the losses seen here / labelled units of the whole step, without graph.
        seen: Per task the labelled units seen here.
        whole: Per task the labelled units of the whole step, in all processes; None where losses are means already.
    """

    means: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] | None = None

    def add(self, task: str, loss: Tensor | Loss, counts: Counts | None) -> Tensor:
        """Count this micro-batch's loss, and return its part of the step's mean, with its graph.

        Raises:
            ConfigError: A mean without a count in a micro-batch; more labelled units than announced.
        """
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
            raise ConfigError("a micro-batch brings more labelled units than the step announced", where=f"task {task!r}", found=found)

    def complete(self, counts: Counts | None) -> bool:
        """Whether all labelled units of the step have been seen here."""
        return counts is None or all(self.seen.get(task, 0) == count for task, count in counts.items())

    def present(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """The tasks with a labelled unit in this step, wherever it may be, in their order."""
        return tuple(task for task in tasks if (task in self.means if self.whole is None else self.whole.get(task, 0)))

    def values(self, names: tuple[str, ...], traffic: Traffic) -> Tensor:
        """(T,) float64 the tasks' mean losses, so far, over all processes."""
        if not names:
            return torch.zeros(0, dtype=torch.float64)
        found = [self.means[name] for name in names if name in self.means]
        local = torch.stack([self.means[name] if name in self.means else torch.zeros_like(found[0]) for name in names]) if found else None
        exact = torch.zeros(len(names), dtype=torch.float64) if local is None else local.double().cpu()
        return traffic.total(exact)


@dataclass(frozen=True)
class Agreed:
    """What all processes know of a step before they walk it.

    Attributes:
        counts: Per task the labelled units of the step in all processes.
        in_parts: Whether the step comes in micro-batches in any of them.
    """

    counts: dict[str, int]
    in_parts: bool


def agreed_counts(tasks: tuple[str, ...], losses: Losses, counts: Counts | None, traffic: Traffic, problem: str | None) -> Agreed:
    """What the processes tell each other at the start of a step, by one small sum.

    Raises:
        ConfigError: Another process has met a problem, so that none of them waits for ever.
    """
    given = {task: loss.count for task, loss in losses.items() if isinstance(loss, Loss)}
    local = given if counts is None else counts
    in_parts = any(given.get(task, 0) < count for task, count in local.items())
    told = torch.tensor([problem is not None, in_parts, *(local.get(task, 0) for task in tasks)], dtype=torch.float64)
    failed, parted, *whole = traffic.total(told).tolist()
    if failed and problem is None:
        raise another_failed()
    return Agreed({task: int(count) for task, count in zip(tasks, whole, strict=True)}, in_parts=parted > 0)
