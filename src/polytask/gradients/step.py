"""What has been seen of a step so far: losses, labelled units, and what that makes of each micro-batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.errors import ConfigError
from polytask.gradients.rows import Rows
from polytask.tasks import Loss


@dataclass
class StepLosses:
    """The losses of one step, over one or several micro-batches.

    Attributes:
        means: Per task Σ of the losses seen / labelled units of the whole step, without graph.
        seen: Per task the labelled units seen.
    """

    means: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def add(self, task: str, loss: Tensor | Loss, counts: Mapping[str, int] | None) -> Tensor:
        """Count this micro-batch's loss, and return its part of the step's mean, with its graph.

        Raises:
            ConfigError: A mean without a count in a micro-batch; more labelled units than announced.
        """
        if counts is None:
            part = loss.mean if isinstance(loss, Loss) else loss
        elif isinstance(loss, Loss):
            announced = counts.get(task, 0)
            self.seen[task] = self.seen.get(task, 0) + loss.count
            if self.seen[task] > announced:
                found = f"{self.seen[task]} of {announced}"
                raise ConfigError("a micro-batch brings more labelled units than the step announced", where=f"task {task!r}", found=found)
            part = loss.sum / announced
        else:
            raise ConfigError("micro-batches need losses with counts", where=f"task {task!r}", remedy="Pass Loss(sum, count)")
        self.means[task] = self.means[task] + part.detach() if task in self.means else part.detach()
        return part

    def complete(self, counts: Mapping[str, int] | None) -> bool:
        """Whether all labelled units of the step have been seen."""
        return counts is None or all(self.seen.get(task, 0) == count for task, count in counts.items())


@dataclass(frozen=True)
class StepStatistic:
    """The statistic of a real step; gradients are there if the balancer asked for them."""

    names: tuple[str, ...]
    step: int
    means: tuple[Tensor, ...]
    rows: Rows | None = None

    @property
    def losses(self) -> Tensor:
        """(T,) float64 the tasks' mean losses."""
        return torch.stack(self.means).double().cpu()

    @property
    def finite(self) -> bool:
        """Whether every loss is a finite number."""
        return all(bool(torch.isfinite(mean)) for mean in self.means)

    def gramian(self) -> Tensor:
        """(T, T) float64 G = J Jᵀ."""
        return self._asked_for().gramian(self.names)

    def jacobian(self) -> Tensor:
        """(T, P) one row per task."""
        return self._asked_for().jacobian(self.names)

    def _asked_for(self) -> Rows:
        if self.rows is None:
            raise ConfigError("a balancer looks at gradients that it did not ask for", where="needs()")
        return self.rows
