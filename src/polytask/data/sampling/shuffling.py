"""Endless sequence of a source's rows, shuffled anew in every pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.seeds import derive_seed


def shuffled_order(source: str, rows: int, seed: int, number: int) -> Tensor:
    """Return the random order of a source's rows in one pass.

    Every source has a separate random stream, so adding or removing a source does not change the order of another.

    Args:
        source: Name of the source.
        rows: Number of its rows.
        seed: Seed of the order.
        number: Number of the pass, from 0.

    Returns:
        (rows,) permutation of the row numbers.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "shuffling", source, number))
    return torch.randperm(rows, generator=generator)


@dataclass
class ShuffledPasses:
    """Consecutive passes through a source, each with a new order: every row occurs exactly once per pass.

    Attributes:
        rows: Number of rows of the source.
        order: Function that returns the order (rows,) of the pass with a given number, counted from 0.

    Example:
        >>> passes = ShuffledPasses(3, order=lambda number: torch.arange(3))
        >>> passes.drawn(2, 3).tolist(), [passes.batch(number, 2).tolist() for number in range(3)]
        ([2, 0, 1], [[0, 1], [2], [0, 1]])
    """

    rows: int
    order: Callable[[int], Tensor]
    _latest: dict[int, Tensor] = field(default_factory=dict)

    def batches(self, size: int) -> int:
        """Return the number of batches per pass for a batch size; the last batch of a pass may be smaller."""
        return -(-self.rows // size)

    def batch(self, number: int, size: int) -> Tensor:
        """Return the row numbers (B,) of a batch, counted from 0 over all passes; no batch extends over the end of a pass."""
        passed, place = divmod(number, self.batches(size))
        return self._pass(passed)[place * size : (place + 1) * size]

    def drawn(self, first: int, count: int) -> Tensor:
        """Return `count` row numbers from position `first` of the sequence on, (count,)."""
        parts = []
        while count > 0:
            passed, place = divmod(first, self.rows)
            parts.append(self._pass(passed)[place : place + count])
            first, count = first + len(parts[-1]), count - len(parts[-1])
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)

    def _pass(self, number: int) -> Tensor:
        if number not in self._latest:
            self._latest = {number: self.order(number)}
        return self._latest[number]


def shuffled_passes(source: str, rows: int, seed: int) -> ShuffledPasses:
    """Return the passes through a source in the orders of `shuffled_order`."""
    return ShuffledPasses(rows, lambda number: shuffled_order(source, rows, seed, number))
