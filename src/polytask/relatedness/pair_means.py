"""Means per pair of tasks, over the steps in which the pair was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class PairMeans:
    """Sums and counts per pair of tasks, over all steps and over those of the current epoch; non-finite values are ignored.

    Attributes:
        total: (2, T, T) float64 sums: over the completed epochs, and over the current one.
        count: (2, T, T) int64 number of steps with a value: in the completed epochs, and in the current one.
        below: (T, T) int64 number of steps with a value below 0.

    Example:
        >>> means = PairMeans.of(2)
        >>> means.add(torch.tensor([0, 1]), torch.tensor([[1.0, -0.5], [torch.nan, 1.0]], dtype=torch.float64))
        >>> means.mean().tolist(), means.below.tolist()
        ([[1.0, -0.5], [nan, 1.0]], [[0, 1], [0, 0]])
    """

    total: Tensor
    count: Tensor
    below: Tensor

    @classmethod
    def of(cls, tasks: int) -> PairMeans:
        """Return empty sums and counts for this number of tasks."""
        return cls(
            torch.zeros(2, tasks, tasks, dtype=torch.float64),
            torch.zeros(2, tasks, tasks, dtype=torch.int64),
            torch.zeros(tasks, tasks, dtype=torch.int64),
        )

    def add(self, places: Tensor, values: Tensor) -> None:
        """Add the values of a step.

        Args:
            places: (t,) indices of the tasks that were present.
            values: (t, t) values of their pairs; NaN where a pair has no value.
        """
        there = values.isfinite()
        rows, columns = torch.meshgrid(places, places, indexing="ij")
        self.total[1, rows, columns] += torch.where(there, values, 0.0)
        self.count[1, rows, columns] += there
        self.below[rows, columns] += there & (values < 0)

    def mean(self) -> Tensor:
        """Return the means over all steps, (T, T); NaN for pairs without any value."""
        return self.total.sum(0) / self.count.sum(0)

    def end_epoch(self) -> dict[tuple[int, int], float]:
        """Return the mean over the current epoch of every pair that was measured in it, and start a new epoch."""
        rows, columns = self.count[1].nonzero(as_tuple=True)
        values = self.total[1, rows, columns] / self.count[1, rows, columns]
        for sums in (self.total, self.count):
            sums[0] += sums[1]
            sums[1] = 0
        return dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), values.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the means, counts and counts below 0 as plain data, with None for an undefined mean."""
        means = [[value if value == value else None for value in row] for row in self.mean().tolist()]
        return {"mean": means, "steps": self.count.sum(0).tolist(), "below": self.below.tolist()}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums and counts."""
        return {"total": self.total, "count": self.count, "below": self.below}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the sums and counts from `state_dict`."""
        self.total, self.count, self.below = (state[name].clone() for name in ("total", "count", "below"))
