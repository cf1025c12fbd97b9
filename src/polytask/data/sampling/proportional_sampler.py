"""Base class of samplers, and the sampler that draws from sources in proportion to their rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from torch import Tensor

from polytask.data.sampling.shuffling import shuffled_passes
from polytask.errors import ConfigError
from polytask.registry import Component


class Sampler(Component, ABC):
    """Base class of samplers, which choose the rows of each step of an epoch.

    Samplers are stateless: the same seed and epoch give the same rows. A subclass takes `rows` (number of rows of each source),
    `batch_size` and `steps_per_epoch`, followed by its own options.
    """

    component_group = "sampler"
    component_context = ("rows", "batch_size", "batch_sizes", "steps_per_epoch")

    @classmethod
    def of(cls, rows: Mapping[str, int], batch_size: int, steps_per_epoch: int | None, **options: Any) -> Self:  # noqa: ANN401
        """Create a sampler.

        Args:
            rows: Number of rows of each source.
            batch_size: Number of rows per step, over all sources.
            steps_per_epoch: Number of steps per epoch; `None` ends an epoch after one pass through the largest source.
            **options: Options of the subclass.
        """
        return cls(rows, batch_size, steps_per_epoch=steps_per_epoch, **options)  # type: ignore[call-arg]

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of steps per epoch."""

    @abstractmethod
    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source; a source that has none left is absent.

        Args:
            epoch: Number of the epoch, from 0.
            seed: Seed of the order of rows.
        """


@final
@dataclass(frozen=True)
class ProportionalSampler(Sampler):
    """Sampler that takes a fixed number of rows from every source in each step and passes through every source once per epoch.

    Every source has a separate random stream, so adding or removing a source does not change the order of another.

    Attributes:
        rows: Number of rows of each source.
        batch_sizes: Number of rows that each step takes from each source.
        steps_per_epoch: Number of steps per epoch; `None` ends an epoch when every source has been passed through once. With a number, an
            exhausted source starts its next pass at once, and the next epoch continues where this one stopped.

    Example:
        >>> sampler = ProportionalSampler({"a": 5, "b": 2}, {"a": 2, "b": 1})
        >>> [{source: len(rows) for source, rows in step.items()} for step in sampler.epoch(0, seed=0)]
        [{'a': 2, 'b': 1}, {'a': 2, 'b': 1}, {'a': 1}]
    """

    rows: Mapping[str, int]
    batch_sizes: Mapping[str, int]
    steps_per_epoch: int | None = None

    @classmethod
    def of(cls, rows: Mapping[str, int], batch_size: int, steps_per_epoch: int | None, **options: Any) -> Self:  # noqa: ANN401
        """Create a sampler that divides each batch among the sources in proportion to their rows.

        Raises:
            ConfigError: The batch is smaller than the number of sources.
        """
        return cls(rows, proportional_batch_sizes(rows, batch_size), steps_per_epoch, **options)

    @property
    def steps(self) -> int:
        """Number of steps per epoch: as set, or as many as the source with the most batches has."""
        through = max(-(-count // self.batch_sizes[source]) for source, count in self.rows.items())
        return through if self.steps_per_epoch is None else self.steps_per_epoch

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source."""
        passes = {source: shuffled_passes(source, count, seed) for source, count in self.rows.items() if count}
        lengths = {source: found.batches(self.batch_sizes[source]) for source, found in passes.items()}
        for step in range(self.steps):
            there = {source: epoch * length + step for source, length in lengths.items() if step < length}
            if self.steps_per_epoch is not None:
                there = dict.fromkeys(passes, epoch * self.steps_per_epoch + step)
            yield {source: passes[source].batch(batch, self.batch_sizes[source]) for source, batch in there.items()}


def proportional_batch_sizes(rows: Mapping[str, int], batch_size: int) -> dict[str, int]:
    """Divide a batch among sources in proportion to their rows by largest remainders, with at least one row for each.

    Args:
        rows: Number of rows of each source.
        batch_size: Number of rows to divide.

    Returns:
        Number of rows of each source in a batch; they sum to `batch_size`.

    Raises:
        ConfigError: The batch is smaller than the number of sources.

    Example:
        >>> proportional_batch_sizes({"mnist": 60_000, "fashion-mnist": 60_000}, 256)
        {'mnist': 128, 'fashion-mnist': 128}
        >>> proportional_batch_sizes({"a": 1_000, "b": 1_000, "c": 1}, 8)
        {'a': 4, 'b': 3, 'c': 1}
    """
    if batch_size < len(rows):
        raise ConfigError(
            "a batch must have at least one row of every source", where="batch_size", found=f"{batch_size} for {len(rows)} sources"
        )
    total = sum(rows.values())
    sizes = {source: max(1, batch_size * count // total) for source, count in rows.items()}
    while missing := batch_size - sum(sizes.values()):
        one = 1 if missing > 0 else -1  # negative if the minimum of one row for small sources exceeds the batch
        free = [source for source, size in sizes.items() if size + one >= 1]
        # Adjust the source whose size is furthest from batch_size * rows / total, compared in exact integers.
        sizes[max(free, key=lambda source: one * (batch_size * rows[source] - sizes[source] * total))] += one
    return sizes
