"""Sampler that draws few rows as often as another sampler draws many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from polytask.data.sampling.proportional_sampler import Sampler


@final
@dataclass(frozen=True)
class RepeatedRowsSampler(Sampler):
    """Sampler with the steps of another one, for sources with fewer rows: row i of the other is row i mod n.

    Attributes:
        sampler: Sampler for sources with at least as many rows.
        rows: Number of rows n of each source.

    Example:
        >>> from polytask.data import ProportionalSampler
        >>> sampler = RepeatedRowsSampler(ProportionalSampler({"a": 4}, {"a": 2}), {"a": 2})
        >>> sampler.steps, sorted(row for step in sampler.epoch(0, seed=0) for row in step["a"].tolist())
        (2, [0, 0, 1, 1])
    """

    sampler: Sampler
    rows: Mapping[str, int]

    @property
    def steps(self) -> int:
        """Number of steps per epoch, that of the other sampler."""
        return self.sampler.steps

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source."""
        for step in self.sampler.epoch(epoch, seed):
            yield {source: rows % self.rows[source] for source, rows in step.items()}
