"""Shuffling that reads a file in long runs."""

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
    """As `ProportionalSampler`, for sources that stay in their files: rows come from a buffer of several blocks of consecutive rows.

    The blocks of a source are read in shuffled order, as many at a time as the buffer holds, and the buffer is emptied in shuffled
    order before it is filled again: so rows are read in runs of a block, and a step's rows come from as many places of the file as there
    are blocks in the buffer. Every row comes exactly once in an epoch; a buffer for all rows is a plain shuffle, that of
    `ProportionalSampler`.

    Attributes:
        rows: How many rows each source has.
        batch_sizes: How many of them a step takes.
        block: How many consecutive rows are read at once; the last block of a source may be smaller.
        buffer: How many rows are held, at least a block.

    Raises:
        ConfigError: The buffer holds no block.

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
            raise ConfigError("the buffer holds at least a block, and a block a row", where="buffer", found=found)

    @property
    def steps(self) -> int:
        """Until the last source is through."""
        return max(-(-count // self.batch_sizes[source]) for source, count in self.rows.items())

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,)."""
        orders = {source: self._order(source, seed, epoch) for source, count in self.rows.items() if count}
        passes = {source: ShuffledPasses(len(order), partial(_order_of_epoch, order)) for source, order in orders.items()}
        for step in range(self.steps):
            there = {source: size for source, size in self.batch_sizes.items() if source in passes and step < passes[source].batches(size)}
            yield {source: passes[source].batch(step, size) for source, size in there.items()}

    def _order(self, source: str, seed: int, number: int) -> Tensor:
        """(rows,) one buffer after the other, each in shuffled order."""
        rows = self.rows[source]
        blocks = torch.split(torch.arange(rows), self.block)
        generator = torch.Generator().manual_seed(derive_seed(seed, "blocks", source, number))
        order = torch.randperm(len(blocks), generator=generator)
        together = len(blocks) if self.buffer >= rows else self.buffer // self.block
        filled = [torch.cat([blocks[block] for block in sorted(part.tolist())]) for part in torch.split(order, together)]
        lots = torch.split(shuffled_order(source, rows, seed, number), [len(part) for part in filled])
        # Ranks of the lots, so that one buffer for all rows is in the order that the lots are.
        return torch.cat([buffer[part.argsort().argsort()] for buffer, part in zip(filled, lots, strict=True)])


def _order_of_epoch(order: Tensor, number: int) -> Tensor:
    """The order of an epoch, whose only pass it is."""
    del number
    return order
