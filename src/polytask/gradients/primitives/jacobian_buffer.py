"""Buffer of the Jacobian, whose rows are the tasks' gradients of the shared parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.needs import ParameterGrouping
from polytask.gradients.primitives.communicator import Communicator
from polytask.gradients.primitives.flat_params import FlatParameters, Gradients
from polytask.gradients.primitives.gramian import first_products, gramian


class JacobianBuffer:
    """Buffer (T, P) that accumulates one row per task over the micro-batches of a step, and is reused from step to step.

    Rows are assigned in the order in which tasks are added, sorted into the order of the tasks by `arrange`, and read only afterwards.
    With several processes, each then owns a shard of the columns, summed over all processes. Gramians and combinations are sums over
    columns, so that each process computes those of its shard, and one small all-reduce or all-gather joins the results.

    Args:
        flat_params: Shared parameters, P numbers in all.
        tasks: All tasks that may be added.
        communicator: Communicator of the processes that hold parts of the rows.

    Attributes:
        scale: Factor by which a loss scaler has multiplied the rows.
    """

    def __init__(self, flat_params: FlatParameters, tasks: Sequence[str], communicator: Communicator) -> None:
        self.flat_params, self.communicator, self.scale = flat_params, communicator, 1.0
        self._buffer = torch.empty(len(tasks), flat_params.size, dtype=flat_params.dtype, device=flat_params.device)
        # The views are created once: for small layers, creating a view costs more than copying into it.
        self._views = [flat_params.views(row) for row in self._buffer]
        self._row_of: dict[str, int] = {}
        self._reached: dict[str, list[bool]] = {}

    def clear(self) -> None:
        """Discard the rows of the previous step."""
        self._row_of.clear()
        self._reached.clear()

    def add(self, task: str, gradients: Gradients) -> None:
        """Add gradients to the task's row; `None` adds zero and does not mark the parameter as reached."""
        first = task not in self._row_of
        row = self._row_of.setdefault(task, len(self._row_of))
        reached = self._reached.setdefault(task, [False] * len(self.flat_params.parameters))
        for place, (view, gradient) in enumerate(zip(self._views[row], gradients, strict=True)):
            if gradient is not None:
                reached[place] = True
                # The first gradient overwrites the previous step's, so that the buffer need not be zeroed.
                view.copy_(gradient) if first else view.add_(gradient)
            elif first:
                view.zero_()

    def arrange(self, tasks: Sequence[str], scale: float = 1.0) -> None:
        """Sort the rows of a complete step into the order of these tasks, and remove the rows of other tasks.

        Args:
            tasks: Tasks present; those that are present only in other processes get a row of zeros.
            scale: Factor by which a loss scaler has multiplied the rows.
        """
        for task in tasks:
            if task not in self._row_of:
                self.add(task, [None] * len(self.flat_params.parameters))
        wanted = [self._row_of[task] for task in tasks]
        if wanted != list(range(len(tasks))):
            # Row by row: an index that is a list would be copied to the device, which is waited for.
            self._buffer[: len(tasks)] = torch.stack([self._buffer[row] for row in wanted]) if wanted else self._buffer[:0]
            self._row_of = {task: row for row, task in enumerate(tasks)}
        self._reached = {task: self._reached[task] for task in tasks}
        self.scale = scale
        self._rows = self._buffer[: len(tasks)]
        self._summed: Tensor | None = None

    def reached(self) -> list[bool]:
        """Return for every parameter whether any task of the step reaches it."""
        local = [any(of_task) for of_task in zip(*self._reached.values(), strict=True)]
        local = local or [False] * len(self.flat_params.parameters)  # if there is no task
        return self.communicator.any(local) if self.communicator.distributed else local

    def jacobian(self) -> Tensor:
        """Return the unscaled rows (T, P); zero where a task does not reach a parameter."""
        if not self.communicator.distributed:
            whole = self._rows
        elif self._summed is None:
            whole = self.communicator.all_reduce(self._rows)
        else:
            whole = self.communicator.all_gather(self._summed)[:, : self.flat_params.size]
        return whole if self.scale == 1.0 else whole / self.scale

    @property
    def local(self) -> Tensor:
        """Rows of this process (T, P), scaled, in memory that the next step overwrites."""
        return self._rows

    def first_products(self, groups: ParameterGrouping = "whole") -> list[Tensor]:
        """Return the products from which `gramians` starts, on the device, in the order of groups and their columns."""
        shard = self._shard()
        return [first_products(shard[:, part]) for group in self._own_groups(groups) for part in group]

    def gramians(self, groups: ParameterGrouping = "whole", known: Iterable[Tensor] = ()) -> Tensor:
        """Return the unscaled Gramian of every group of parameters (K, T, T), in float64.

        Args:
            groups: Grouping of the parameters.
            known: `first_products` of the groups, if they are on the CPU already.
        """
        shard, read = self._shard(), iter(known)
        found = [
            sum((gramian(shard[:, part], self.scale, next(read, None)) for part in group), start=_zeros(len(shard)))
            for group in self._own_groups(groups)
        ]
        none = torch.zeros(0, len(shard), len(shard), dtype=torch.float64)  # if nothing is shared, there is no group
        stacked = torch.stack(found) if found else none
        return self.communicator.all_reduce(stacked) if self.communicator.distributed else stacked

    def total(self) -> Tensor:
        """Return the sum of all rows, a scalar on the device."""
        return self._rows.sum()

    def finite(self, total: Tensor | None = None) -> list[bool]:
        """Return for every task whether its row is finite in this process.

        Args:
            total: Sum of all rows, if it is on the CPU already.
        """
        # If the sum is finite, all its terms are. Otherwise it may have overflowed, so that every row is checked.
        local = [True] * len(self._rows)
        if not bool(torch.isfinite(self.total() if total is None else total)):
            local = [bool(torch.isfinite(row).all()) for row in self._rows]
        return local

    def norms_of(self, parameters: Sequence[int]) -> Tensor:
        """Return the unscaled norms ‖∂L_t/∂θ‖ (T,) for these parameters only, in float64."""
        rows = self.jacobian()
        squares = torch.zeros(len(rows), dtype=torch.float64)
        for number in parameters:
            squares += rows[:, self.flat_params.columns(number)].double().square().sum(1).cpu()
        return squares.sqrt()

    def combined(self, weights: Tensor, gramian: Tensor | None = None) -> Tensor:
        """Return Σ w_t g_t (P,), scaled like the rows.

        Args:
            weights: (T,) weights w.
            gramian: (T, T) Gramian, if it is known: it shows where the sum cancels, and needs more precision.
        """
        return self._gathered(row_combination(weights, self._shard(), gramian))

    def combined_in_groups(self, weights: Tensor, groups: ParameterGrouping, gramians: Tensor | None = None) -> Tensor:
        """Return the vector (P,) with Σ w_kt g_t in the columns of every group k, scaled like the rows.

        Args:
            weights: (K, T) weights w of every group.
            groups: Grouping of the parameters.
            gramians: (K, T, T) Gramian of every group, if they are known.
        """
        shard = self._shard()
        direction = shard.new_zeros(shard.shape[1])
        seen = [None] * len(weights) if gramians is None else list(gramians)
        for own, products, group in zip(weights, seen, self.flat_params.groups(groups), strict=True):
            for part in self._own_columns(group):
                direction[part] = row_combination(own, shard[:, part], products)
        return self._gathered(direction)

    def _shard(self) -> Tensor:
        """Return the columns that this process owns, summed over all processes."""
        if not self.communicator.distributed:
            return self._rows
        if self._summed is None:
            self._summed = self.communicator.reduce_scatter(self._rows)
        return self._summed

    def _gathered(self, direction: Tensor) -> Tensor:
        """Return the whole direction (P,) from the parts of all processes."""
        return self.communicator.all_gather(direction)[: self.flat_params.size] if self.communicator.distributed else direction

    def _own_groups(self, groups: ParameterGrouping) -> list[list[slice]]:
        columns = ((slice(0, self.flat_params.size),),) if groups == "whole" else self.flat_params.groups(groups)
        return [self._own_columns(group) for group in columns]

    def _own_columns(self, group: Sequence[slice]) -> list[slice]:
        """Return the columns of this process's shard that belong to a group."""
        width = self._shard().shape[1]
        return [_overlap(part, self.communicator.rank * width, width) for part in group]


def _zeros(tasks: int) -> Tensor:
    return torch.zeros(tasks, tasks, dtype=torch.float64)


def _overlap(part: slice, first: int, width: int) -> slice:
    """Return the columns of `part` that lie within [first, first + width), counted from `first`; an empty slice if there is none."""
    start, stop = max(part.start - first, 0), min(part.stop - first, width)
    return slice(min(start, width), max(stop, min(start, width)))
