"""Rows of one source as tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data import Normalization
from polytask.data.input_entries import Inputs, RowReader, count_rows, map_entries, named_entries, select_tensors
from polytask.data.loading.load_inputs import load_ahead
from polytask.data.memmap import row_slices
from polytask.devices import CPU, NO_FLOAT64


@dataclass(frozen=True)
class Batch:
    """Rows of one source as tensors; inputs are normalized just before the forward pass.

    Attributes:
        source: Name of the source.
        all_inputs: (M, ...) unnormalized inputs, which include those of the batch; several batches may share one array. A dict of such
            tensors if the source has several inputs per row, or a reader of rows that are read when they are needed.
        targets: Per task, the targets that `Task.encode` returns: (N,), (N, C) for sets of labels, or (N, L) for tokens.
        labeled: Per task, a mask that is True where there is a label, (N,), or (N, L) for tokens; None if all rows have a label, which is
            never used for tokens.
        normalization: Normalization with the statistics of the source's training rows.
        weights: Per task with weights, the factors (N,) of the rows' losses.
        row_indices: (N,) indices of the batch's rows in `all_inputs`; None if the batch has all of them, in this order.
        loader_workers: Number of processes that load parts of the batch ahead.
        device: Device of the inputs, targets and weights. Masks and `row_indices` stay on the CPU, which counts and selects with them.
    """

    source: str
    all_inputs: Inputs
    targets: Mapping[str, Tensor]
    labeled: Mapping[str, Tensor | None]
    normalization: Normalization
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    row_indices: Tensor | None = None
    loader_workers: int = 0
    device: torch.device = CPU

    def __len__(self) -> int:
        if self.row_indices is not None:
            return len(self.row_indices)
        return count_rows(self.all_inputs) if isinstance(self.all_inputs, Mapping) else len(self.all_inputs)

    @property
    def inputs(self) -> Inputs:
        """Unnormalized inputs of the rows, (N, ...); a copy if the batch has `row_indices`."""
        if isinstance(self.all_inputs, RowReader):
            return self._select(torch.arange(len(self)))
        return self.all_inputs if self.row_indices is None else self._select(torch.arange(len(self)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that the source labels, at least in part."""
        return tuple(self.targets)

    def take(self, rows: Tensor, inputs: Inputs | None = None) -> Batch:
        """Return a batch of the rows with these indices, as a copy.

        Args:
            rows: Indices of the rows in this batch.
            inputs: Inputs of these rows, if they are loaded already.
        """
        there = rows if self.device == CPU else rows.to(self.device, non_blocking=True)
        targets = {task: values.index_select(0, there) for task, values in self.targets.items()}
        labeled = {task: None if mask is None else mask.index_select(0, rows) for task, mask in self.labeled.items()}
        weights = {task: own.index_select(0, there) for task, own in self.weights.items()}
        inputs = self._select(rows) if inputs is None else inputs
        return Batch(self.source, inputs, targets, labeled, self.normalization, weights, device=self.device)

    def of_tasks(self, tasks: Collection[str]) -> Batch:
        """Return the batch with the labels of some of its tasks only."""
        targets, weights = ({task: own for task, own in each.items() if task in tasks} for each in (self.targets, self.weights))
        labeled = {task: mask for task, mask in self.labeled.items() if task in tasks}
        return replace(self, targets=targets, labeled=labeled, weights=weights)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its inputs, targets and weights on a device; inputs that are read when they are needed stay files.

        Rows in pinned memory are copied while the CPU goes on. A batch that is there already is returned unchanged.
        """
        if self.device == device or isinstance(self.all_inputs, RowReader):
            return self

        def moved(tensor: Tensor) -> Tensor:
            narrow = tensor.float() if device.type in NO_FLOAT64 and tensor.dtype == torch.float64 else tensor
            return narrow.to(device, non_blocking=True)

        targets, weights = ({task: moved(own) for task, own in tensors.items()} for tensors in (self.targets, self.weights))
        return replace(self, all_inputs=map_entries(moved, self.all_inputs), targets=targets, weights=weights, device=device)

    def pinned(self) -> Batch:
        """Return the batch in memory from which an accelerator copies while the CPU goes on."""
        targets, weights = ({task: own.pin_memory() for task, own in tensors.items()} for tensors in (self.targets, self.weights))
        return replace(self, all_inputs=map_entries(Tensor.pin_memory, self.all_inputs), targets=targets, weights=weights)

    @property
    def bytes(self) -> int:
        """Bytes that the inputs, targets and weights take on a device."""
        whole = [entry for _, entry in named_entries(self.all_inputs)]
        return sum(tensor.nbytes for tensor in [*whole, *self.targets.values(), *self.weights.values()])

    def slice_rows(self, rows: slice, inputs: Inputs | None = None) -> Batch:
        """Return a batch of consecutive rows, without a copy; inputs are copied if this batch has `row_indices`.

        Args:
            rows: Range of the rows.
            inputs: Inputs of these rows, if they are loaded already.
        """
        targets = {task: values[rows] for task, values in self.targets.items()}
        labeled = {task: None if mask is None else mask[rows] for task, mask in self.labeled.items()}
        weights = {task: own[rows] for task, own in self.weights.items()}
        if inputs is None and self.row_indices is None and not isinstance(self.all_inputs, RowReader):
            inputs = map_entries(lambda entry: entry[rows], self.all_inputs)
        elif inputs is None:
            inputs = self._select(torch.arange(len(self))[rows])
        return Batch(self.source, inputs, targets, labeled, self.normalization, weights, device=self.device)

    def chunks(self, size: int) -> Iterator[Batch]:
        """Yield the rows in batches of at most `size`; inputs that have to be read are read ahead by the workers."""
        parts = list(row_slices(len(self), size))
        if not isinstance(self.all_inputs, RowReader):
            yield from map(self.slice_rows, parts)
            return
        rows = torch.arange(len(self))
        found = load_ahead(self.all_inputs, [self.places(rows[part]) for part in parts], self.loader_workers, f"source {self.source!r}")
        for part, inputs in zip(parts, found, strict=True):
            yield self.slice_rows(part, inputs)

    def places(self, rows: Tensor) -> NDArray[np.int64]:
        """Return the indices in `all_inputs` of the rows with these indices in this batch."""
        found: NDArray[np.int64] = (rows if self.row_indices is None else self.row_indices.index_select(0, rows)).numpy()
        return found

    def _select(self, rows: Tensor) -> Inputs:
        chosen = rows if self.row_indices is None else self.row_indices.index_select(0, rows)
        if isinstance(self.all_inputs, Tensor):  # most batches: a call costs more than this question
            return self.all_inputs.index_select(0, chosen if self.device == CPU else chosen.to(self.device, non_blocking=True))
        return select_tensors(self.all_inputs, chosen)

    def counts(self) -> dict[str, int]:
        """Return the number of labeled units (rows or tokens) per task."""
        return {task: len(self.targets[task]) if mask is None else int(mask.sum()) for task, mask in self.labeled.items()}

    def labeled_rows(self, task: str) -> Tensor | None:
        """Return a mask (N,) of the rows with a label of the task, for at least one token if it labels tokens; None if all have one."""
        mask = self.labeled[task]
        return mask.any(dim=1) if mask is not None and mask.dim() == 2 else mask
