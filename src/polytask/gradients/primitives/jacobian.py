"""The buffer of the Jacobian: a row per task, its gradient of the shared parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.balancing.needs import ParameterGrouping
from polytask.gradients.primitives.communicator import Communicator
from polytask.gradients.primitives.flat_params import FlatParameters, Gradients
from polytask.gradients.primitives.gramian import gramian


class JacobianBuffer:
    """A (T, P) buffer that accumulates a row per task over the micro-batches of a step, and is kept from step to step.

    Rows are claimed in the order in which tasks come, brought into the order of the tasks by `arrange`, and only then read. With several
    processes every one of them then owns a shard of the columns: the sum of all processes' rows there. Gramians and combinations are
    sums over columns, so that each process works on its shard alone, and one small sum joins them.

    Args:
        flat_params: The shared parameters, P numbers in all.
        tasks: All tasks that may come.
        communicator: The processes that hold parts of the rows.

    Attributes:
        scale: Factor by which a loss scaler has multiplied the rows.
    """

    def __init__(self, flat_params: FlatParameters, tasks: Sequence[str], communicator: Communicator) -> None:
        self.flat_params, self.communicator, self.scale = flat_params, communicator, 1.0
        self._buffer = torch.empty(len(tasks), flat_params.size, dtype=flat_params.dtype, device=flat_params.device)
        # Made once: a view per task and parameter costs more than the copy into it where layers are small.
        self._views = [flat_params.views(row) for row in self._buffer]
        self._row_of: dict[str, int] = {}
        self._reached: dict[str, list[bool]] = {}

    def clear(self) -> None:
        """Forget the step before."""
        self._row_of.clear()
        self._reached.clear()

    def add(self, task: str, gradients: Gradients) -> None:
        """Add to the task's row; None counts as zero, but not as reached."""
        first = task not in self._row_of
        row = self._row_of.setdefault(task, len(self._row_of))
        reached = self._reached.setdefault(task, [False] * len(self.flat_params.parameters))
        for place, (view, gradient) in enumerate(zip(self._views[row], gradients, strict=True)):
            if gradient is not None:
                reached[place] = True
                # The first gradient overwrites what the step before has left, so that the buffer is never cleared as a whole.
                view.copy_(gradient) if first else view.add_(gradient)
            elif first:
                view.zero_()

    def arrange(self, tasks: Sequence[str], scale: float = 1.0) -> None:
        """Bring the rows of a complete step into the order of these tasks, and leave others out.

        Args:
            tasks: The tasks present; those that only other processes have seen get a row of zeros here.
            scale: Factor by which a loss scaler has multiplied the rows.
        """
        for task in tasks:
            if task not in self._row_of:
                self.add(task, [None] * len(self.flat_params.parameters))
        wanted = [self._row_of[task] for task in tasks]
        if wanted != list(range(len(tasks))):
            self._buffer[: len(tasks)] = self._buffer[wanted]
            self._row_of = {task: row for row, task in enumerate(tasks)}
        self._reached = {task: self._reached[task] for task in tasks}
        self.scale = scale
        self._rows = self._buffer[: len(tasks)]
        self._summed: Tensor | None = None

    def reached(self) -> list[bool]:
        """Return per parameter whether any task of the step reaches it."""
        local = [any(of_task) for of_task in zip(*self._reached.values(), strict=True)]
        local = local or [False] * len(self.flat_params.parameters)  # without a task
        return self.communicator.any(local) if self.communicator.distributed else local

    def jacobian(self) -> Tensor:
        """Return the rows (T, P) without the scale; zero where a task does not reach a parameter."""
        if not self.communicator.distributed:
            whole = self._rows
        elif self._summed is None:
            whole = self.communicator.all_reduce(self._rows)
        else:
            whole = self.communicator.all_gather(self._summed)[:, : self.flat_params.size]
        return whole if self.scale == 1.0 else whole / self.scale

    def gramians(self, groups: ParameterGrouping = "whole") -> Tensor:
        """Return a Gramian per group of parameters (K, T, T) in float64, without the scale."""
        shard = self._shard()
        columns = ((slice(0, self.flat_params.size),),) if groups == "whole" else self.flat_params.groups(groups)
        parts = [self._own_columns(group) for group in columns]
        found = [sum((gramian(shard[:, part], self.scale) for part in group), start=_zeros(len(shard))) for group in parts]
        none = torch.zeros(0, len(shard), len(shard), dtype=torch.float64)  # where nothing is shared, there is no group
        stacked = torch.stack(found) if found else none
        return self.communicator.all_reduce(stacked) if self.communicator.distributed else stacked

    def finite(self) -> list[bool]:
        """Return per task whether every number of its row is finite, in all processes."""
        # A sum is finite only if all of its terms are; the reverse is asked row by row.
        local = [True] * len(self._rows)
        if not bool(torch.isfinite(self._rows.sum())):
            local = [bool(torch.isfinite(row).all()) for row in self._rows]
        return [not bad for bad in self.communicator.any([not fine for fine in local])]

    def norms_of(self, parameters: Sequence[int]) -> Tensor:
        """Return ‖∂L_t/∂θ‖ for these parameters alone (T,) in float64, without the scale."""
        rows = self.jacobian()
        squares = torch.zeros(len(rows), dtype=torch.float64)
        for number in parameters:
            squares += rows[:, self.flat_params.columns(number)].double().square().sum(1).cpu()
        return squares.sqrt()

    def combined(self, weights: Tensor) -> Tensor:
        """Return Σ w_t g_t (P,) with the scale."""
        shard = self._shard()
        return self._gathered(weights.to(shard) @ shard)

    def combined_in_groups(self, weights: Tensor, groups: ParameterGrouping) -> Tensor:
        """Return Σ w_kt g_t in the columns of group k (P,) with the scale."""
        shard = self._shard()
        direction = shard.new_zeros(shard.shape[1])
        for own, group in zip(weights.to(shard), self.flat_params.groups(groups), strict=True):
            for part in self._own_columns(group):
                direction[part] = own @ shard[:, part]
        return self._gathered(direction)

    def _shard(self) -> Tensor:
        """Return the columns that this process works on, summed over all processes."""
        if not self.communicator.distributed:
            return self._rows
        if self._summed is None:
            self._summed = self.communicator.reduce_scatter(self._rows)
        return self._summed

    def _gathered(self, direction: Tensor) -> Tensor:
        """Return the whole direction (P,) from this process's part of it."""
        return self.communicator.all_gather(direction)[: self.flat_params.size] if self.communicator.distributed else direction

    def _own_columns(self, group: Sequence[slice]) -> list[slice]:
        """Return which columns of this process's shard belong to a group."""
        width = self._shard().shape[1]
        return [_overlap(part, self.communicator.rank * width, width) for part in group]


def _zeros(tasks: int) -> Tensor:
    return torch.zeros(tasks, tasks, dtype=torch.float64)


def _overlap(part: slice, first: int, width: int) -> slice:
    """Return the columns of `part` that lie within [first, first + width), counted from `first`; an empty slice if there is none."""
    start, stop = max(part.start - first, 0), min(part.stop - first, width)
    return slice(min(start, width), max(stop, min(start, width)))
