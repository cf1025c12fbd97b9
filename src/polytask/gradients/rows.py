"""The rows of the Jacobian: every task's gradient of the shared parameters, accumulated over the micro-batches of a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.balancing.needs import Groups
from polytask.gradients.gramian import gramian
from polytask.gradients.layout import Gradients, Layout
from polytask.gradients.processes import Traffic


class Rows:
    """A (T, P) buffer with a row per task, kept from step to step.

    Args:
        layout: Of the shared parameters, P numbers in all.
        tasks: All tasks that may come.
        traffic: The processes that hold parts of the rows.

    Attributes:
        scale: What the losses were multiplied with (by a loss scaler) before their gradients were taken.
    """

    def __init__(self, layout: Layout, tasks: Sequence[str], traffic: Traffic) -> None:
        self.layout, self.traffic, self.scale = layout, traffic, 1.0
        self._buffer = torch.empty(len(tasks), layout.size, dtype=layout.dtype, device=layout.device)
        self._views = [layout.views(row) for row in self._buffer]
        self._number: dict[str, int] = {}
        self._met: dict[str, list[bool]] = {}

    def add(self, task: str, gradients: Gradients) -> None:
        """Add to the task's row; None counts as zero, but for `met`."""
        first = task not in self._number
        number = self._number.setdefault(task, len(self._number))
        met = self._met.setdefault(task, [False] * len(self.layout.parameters))
        for place, (view, gradient) in enumerate(zip(self._views[number], gradients, strict=True)):
            if gradient is not None:
                met[place] = True
                view.copy_(gradient) if first else view.add_(gradient)
            elif first:
                view.zero_()

    def clear(self) -> None:
        """Forget the step."""
        self._number.clear()
        self._met.clear()

    def finish(self, tasks: Sequence[str]) -> None:
        """Bring the tasks of a complete step into their order; those that only other processes saw get a zero row."""
        for task in tasks:
            if task not in self._number:
                self.add(task, [None] * len(self.layout.parameters))
        wanted = [self._number[task] for task in tasks]
        if wanted != list(range(len(tasks))):
            self._buffer[: len(tasks)] = self._buffer[wanted]
            mets = [self._met[task] for task in tasks]
            self._number = {task: number for number, task in enumerate(tasks)}
            self._met = dict(zip(tasks, mets, strict=True))
        self._rows = self._buffer[: len(tasks)]
        self._shard: Tensor | None = None

    def met(self) -> list[bool]:
        """Per parameter whether any task of the step reaches it."""
        local = [any(met[place] for met in self._met.values()) for place in range(len(self.layout.parameters))]
        return self.traffic.any(local)

    def jacobian(self) -> Tensor:
        """(T, P) one row per task, without the scale; zero where a task does not reach a parameter."""
        whole = self.traffic.total(self._rows) if self._shard is None else self.traffic.gathered(self._shard)[:, : self.layout.size]
        return whole if self.scale == 1.0 else whole / self.scale

    def gramians(self, groups: Groups = "whole") -> Tensor:
        """(K, T, T) float64 a Gramian per group, without the scale."""
        shard, first = self._own_shard()
        columns = [[_overlap(part, first, shard.shape[1]) for part in group] for group in self.layout.groups(groups)]
        found = [sum((gramian(shard[:, part], self.scale) for part in group), start=_zeros(len(shard))) for group in columns]
        none = torch.zeros(0, len(shard), len(shard), dtype=torch.float64)  # where nothing is shared, there is no group
        return self.traffic.total(torch.stack(found) if found else none)

    def finite(self) -> list[bool]:
        """Per task whether every number of its row is finite, in all processes."""
        # A sum is finite only if all of its terms are; the reverse is asked row by row.
        local = [True] * len(self._rows)
        if not bool(torch.isfinite(self._rows.sum())):
            local = [bool(torch.isfinite(row).all()) for row in self._rows]
        return [not bad for bad in self.traffic.any([not fine for fine in local])]

    def norms_of(self, parameters: Sequence[int]) -> Tensor:
        """(T,) float64 ‖∂L_t/∂θ‖ for these parameters alone, without the scale."""
        rows = self.jacobian()
        squares = torch.zeros(len(rows), dtype=torch.float64)
        for number in parameters:
            squares += rows[:, self.layout.columns(number)].double().square().sum(1).cpu()
        return squares.sqrt()

    def combined(self, weights: Tensor) -> Tensor:
        """(P,) Σ w_t g_t with the scale."""
        shard, _ = self._own_shard()
        return self.traffic.gathered(weights.to(shard) @ shard)[: self.layout.size]

    def combined_in_groups(self, weights: Tensor, groups: Groups) -> Tensor:
        """(P,) Σ w_kt g_t in the columns of group k, with the scale."""
        shard, first = self._own_shard()
        direction = shard.new_zeros(shard.shape[1])
        for own, group in zip(weights.to(shard), self.layout.groups(groups), strict=True):
            for part in (_overlap(part, first, shard.shape[1]) for part in group):
                direction[part] = own @ shard[:, part]
        return self.traffic.gathered(direction)[: self.layout.size]

    def _own_shard(self) -> tuple[Tensor, int]:
        """The columns that this process works on, summed over all processes, and the number of the first of them."""
        if self._shard is None:
            self._shard = self.traffic.scattered(self._rows)
        return self._shard, self.traffic.number * self._shard.shape[1]


def _zeros(tasks: int) -> Tensor:
    return torch.zeros(tasks, tasks, dtype=torch.float64)


def _overlap(part: slice, first: int, width: int) -> slice:
    """The columns of `part` that lie within [first, first + width), counted from `first`."""
    start, stop = max(part.start - first, 0), min(part.stop - first, width)
    return slice(min(start, width), max(stop, min(start, width)))
