"""Sampler that shuffles through a buffer, for inputs that are kept in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor

from polytask.data.sampling.proportional_sampler import Sampler
from polytask.data.sampling.shuffling import ShuffledPasses, shuffled_order
from polytask.errors import ConfigError
from polytask.seeds import derive_seed


@final
@dataclass(frozen=True)
class ShuffleBufferSampler(Sampler):
    """Variant of `ProportionalSampler` for inputs in files: rows are shuffled in a buffer of several blocks of consecutive rows.

    The blocks of a source are visited in random order, as many at a time as fit into the buffer, and the rows in the buffer are used in
    random order before it is filled again. So a file is read one block at a time, and the rows of a step come from as many places of the
    file as the buffer has blocks. Every row is used exactly once per epoch. A buffer that holds all rows gives the same order as
    `ProportionalSampler`.

    Attributes:
        rows: Number of rows of each source.
        batch_sizes: Number of rows that each step takes from each source.
        block: Number of consecutive rows read at once; the last block of a source may be smaller.
        buffer: Number of rows in the buffer, at least `block`.

    Raises:
        ConfigError: `buffer` is less than `block`, or `block` is less than 1.

    Example:
        >>> sampler = ShuffleBufferSampler({"log": 6}, {"log": 2}, block=2, buffer=4)
        >>> sorted(torch.cat([step["log"] for step in sampler.epoch(0, seed=0)]).tolist())
        [0, 1, 2, 3, 4, 5]
    """

    rows: Mapping[str, int]
    batch_sizes: Mapping[str, int]
    block: int
    buffer: int

    def __post_init__(self) -> None:
        if not 1 <= self.block <= self.buffer:
            found = f"{self.buffer} rows, and blocks of {self.block}"
            raise ConfigError("the buffer must hold at least one block, and a block at least one row", where="buffer", found=found)

    @property
    def steps(self) -> int:
        """Number of steps per epoch: as many as the source with the most batches has."""
        return max(-(-count // self.batch_sizes[source]) for source, count in self.rows.items())

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source; a source that has none left is absent."""
        orders = {source: self._order(source, seed, epoch) for source, count in self.rows.items() if count}
        passes = {source: ShuffledPasses(len(order), partial(_order_of_epoch, order)) for source, order in orders.items()}
        for step in range(self.steps):
            there = {source: size for source, size in self.batch_sizes.items() if source in passes and step < passes[source].batches(size)}
            yield {source: passes[source].batch(step, size) for source, size in there.items()}

    def _order(self, source: str, seed: int, number: int) -> Tensor:
        """Return the order of a source's rows in an epoch, (rows,): one buffer after the other, each in random order."""
        rows = self.rows[source]
        blocks = torch.split(torch.arange(rows), self.block)
        generator = torch.Generator().manual_seed(derive_seed(seed, "blocks", source, number))
        order = torch.randperm(len(blocks), generator=generator)
        together = len(blocks) if self.buffer >= rows else self.buffer // self.block
        filled = [torch.cat([blocks[block] for block in sorted(part.tolist())]) for part in torch.split(order, together)]
        lots = torch.split(shuffled_order(source, rows, seed, number), [len(part) for part in filled])
        # Each buffer is ordered by the ranks of a slice of one permutation: a single buffer of all rows then has exactly that order.
        return torch.cat([buffer[part.argsort().argsort()] for buffer, part in zip(filled, lots, strict=True)])


def _order_of_epoch(order: Tensor, number: int) -> Tensor:
    """Return the order of the epoch whatever the number of the pass: an epoch has only one pass."""
    del number
    return order
