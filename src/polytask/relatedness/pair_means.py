"""Means of a number per pair of tasks, over the steps in which there was one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class PairMeans:
    """Sums and counts over all steps, and over those of the epoch under way; numbers that are not finite do not count.

    Attributes:
        total: (2, T, T) float64 sums: of the epochs that are over, and of the one under way.
        count: (2, T, T) int64 in how many steps there was a number.
        below: (T, T) int64 in how many it was below 0.

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
        """Nothing yet."""
        return cls(
            torch.zeros(2, tasks, tasks, dtype=torch.float64),
            torch.zeros(2, tasks, tasks, dtype=torch.int64),
            torch.zeros(tasks, tasks, dtype=torch.int64),
        )

    def add(self, places: Tensor, values: Tensor) -> None:
        """Take in a step's numbers.

        Args:
            places: (t,) which of the tasks were there.
            values: (t, t) the numbers; NaN where there is none.
        """
        there = values.isfinite()
        rows, columns = torch.meshgrid(places, places, indexing="ij")
        self.total[1, rows, columns] += torch.where(there, values, 0.0)
        self.count[1, rows, columns] += there
        self.below[rows, columns] += there & (values < 0)

    def mean(self) -> Tensor:
        """(T, T) the means over all steps; NaN where there never was a number."""
        return self.total.sum(0) / self.count.sum(0)

    def end_epoch(self) -> dict[tuple[int, int], float]:
        """Per pair that was measured in the epoch its mean there."""
        rows, columns = self.count[1].nonzero(as_tuple=True)
        values = self.total[1, rows, columns] / self.count[1, rows, columns]
        for sums in (self.total, self.count):
            sums[0] += sums[1]
            sums[1] = 0
        return dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), values.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None for a mean that there is not."""
        means = [[value if value == value else None for value in row] for row in self.mean().tolist()]
        return {"mean": means, "steps": self.count.sum(0).tolist(), "below": self.below.tolist()}

    def state_dict(self) -> dict[str, Tensor]:
        """The sums and counts."""
        return {"total": self.total, "count": self.count, "below": self.below}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state_dict` gave."""
        self.total, self.count, self.below = (state[name].clone() for name in ("total", "count", "below"))
