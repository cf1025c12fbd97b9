"""Division of the rows of a step into micro-batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from polytask.training.preparation.batch import Batch

StepBatches = dict[str, Batch]
"""Rows of a step by source."""


def labels_of_tasks(batches: StepBatches, tasks: Collection[str]) -> StepBatches:
    """Return the rows of a step with the labels of some tasks only; a source that labels none of them is absent."""
    found = {source: batch.of_tasks(tasks) for source, batch in batches.items()}
    return {source: batch for source, batch in found.items() if batch.tasks}


def labeled_unit_counts(batches: StepBatches) -> dict[str, int]:
    """Return the number of labeled units per task; tasks without any are absent."""
    counts: dict[str, int] = {}
    for batch in batches.values():
        for task, count in batch.counts().items():
            counts[task] = counts.get(task, 0) + count
    return {task: count for task, count in counts.items() if count}


def split_micro_batches(batches: StepBatches, parts: int, least: int = 1) -> Iterator[StepBatches]:
    """Split the batch of every source into micro-batches of sizes that are as equal as possible, and yield one after the other.

    Args:
        batches: Per source, the rows of the step.
        parts: Number of micro-batches.
        least: Smallest number of rows of a source in a micro-batch; a batch with fewer rows than `parts * least` takes part in fewer
            micro-batches, and is not split if it is smaller than `2 * least`.
    """
    counts = {source: max(1, min(parts, len(batch) // least)) if least > 1 else parts for source, batch in batches.items()}
    cut: dict[str, tuple[Tensor, ...]] = {
        source: torch.arange(len(batch)).tensor_split(counts[source]) for source, batch in batches.items()
    }
    for part in range(parts):
        yield {source: batches[source].take(rows[part]) for source, rows in cut.items() if part < len(rows) and len(rows[part])}
