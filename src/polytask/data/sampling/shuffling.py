"""A source's rows in an endless shuffled sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.seeds import derive_seed


def shuffled_order(source: str, rows: int, seed: int, number: int) -> Tensor:
    """(rows,) the order of a source in its pass of that number, from a stream of its own: another source changes nothing of it."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "shuffling", source, number))
    return torch.randperm(rows, generator=generator)


@dataclass
class ShuffledPasses:
    """Pass after pass through a source, each in an order of its own: no row comes twice before all have come once more.

    Attributes:
        rows: How many the source has.
        order: (rows,) the order of the pass of a number, from 0.

    Example:
        >>> passes = ShuffledPasses(3, order=lambda number: torch.arange(3))
        >>> passes.drawn(2, 3).tolist(), [passes.batch(number, 2).tolist() for number in range(3)]
        ([2, 0, 1], [[0, 1], [2], [0, 1]])
    """

    rows: int
    order: Callable[[int], Tensor]
    _latest: dict[int, Tensor] = field(default_factory=dict)

    def batches(self, size: int) -> int:
        """How many batches of that size a pass has; the last may be smaller."""
        return -(-self.rows // size)

    def batch(self, number: int, size: int) -> Tensor:
        """(B,) the batch of that number, counted through all passes; none goes over the end of a pass."""
        passed, place = divmod(number, self.batches(size))
        return self._pass(passed)[place * size : (place + 1) * size]

    def drawn(self, first: int, count: int) -> Tensor:
        """(count,) as many rows of the sequence from that place on."""
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
    """The passes through a source in plain shuffled order."""
    return ShuffledPasses(rows, lambda number: shuffled_order(source, rows, seed, number))
