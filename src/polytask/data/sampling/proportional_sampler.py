"""Which rows of which sources the next step sees."""

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
    """Draws an epoch's steps. It remembers nothing: the same seed and epoch give the same rows.

    A sampler takes `rows`, how many rows each source has, `batch_size` and `steps_per_epoch`, and its own options after these.
    """

    component_group = "sampler"
    component_context = ("rows", "batch_size", "batch_sizes", "steps_per_epoch")

    @classmethod
    def of(cls, rows: Mapping[str, int], batch_size: int, steps_per_epoch: int | None, **options: Any) -> Self:  # noqa: ANN401
        """Make a sampler for sources with so many rows.

        Args:
            rows: Rows of each source.
            batch_size: Rows of a step, over all sources.
            steps_per_epoch: Steps of an epoch; None passes through the largest source once.
            **options: The sampler's own.
        """
        return cls(rows, batch_size, steps_per_epoch=steps_per_epoch, **options)  # type: ignore[call-arg]

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many steps an epoch has."""

    @abstractmethod
    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,); a source that has none left is absent."""


@final
@dataclass(frozen=True)
class ProportionalSampler(Sampler):
    """Every source gives a fixed number of rows to each step, and is passed through once in an epoch.

    Each source is shuffled by a stream of its own, so another source changes nothing of its order.

    Attributes:
        rows: How many rows each source has.
        batch_sizes: How many of them a step takes.
        steps_per_epoch: How many steps an epoch has; none: until the last source is through. With a number, a source that is through begins
            its next pass at once, and the next epoch goes on where this one stopped.

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
        """Divide a step's rows among the sources in proportion to theirs.

        Raises:
            ConfigError: The batch is smaller than the number of sources.
        """
        return cls(rows, proportional_batch_sizes(rows, batch_size), steps_per_epoch, **options)

    @property
    def steps(self) -> int:
        """As many as were asked for, or until the last source is through."""
        through = max(-(-count // self.batch_sizes[source]) for source, count in self.rows.items())
        return through if self.steps_per_epoch is None else self.steps_per_epoch

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,)."""
        passes = {source: shuffled_passes(source, count, seed) for source, count in self.rows.items() if count}
        lengths = {source: found.batches(self.batch_sizes[source]) for source, found in passes.items()}
        for step in range(self.steps):
            there = {source: epoch * length + step for source, length in lengths.items() if step < length}
            if self.steps_per_epoch is not None:
                there = dict.fromkeys(passes, epoch * self.steps_per_epoch + step)
            yield {source: passes[source].batch(batch, self.batch_sizes[source]) for source, batch in there.items()}


def proportional_batch_sizes(rows: Mapping[str, int], batch_size: int) -> dict[str, int]:
    """A batch divided among sources in proportion to their rows, at least one each: by largest remainders.

    Raises:
        ConfigError: The batch is smaller than the number of sources.

    Example:
        >>> proportional_batch_sizes({"mnist": 60_000, "fashion-mnist": 60_000}, 256)
        {'mnist': 128, 'fashion-mnist': 128}
        >>> proportional_batch_sizes({"a": 1_000, "b": 1_000, "c": 1}, 8)
        {'a': 4, 'b': 3, 'c': 1}
    """
    if batch_size < len(rows):
        raise ConfigError("a batch needs a row of every source", where="batch_size", found=f"{batch_size} for {len(rows)} sources")
    total = sum(rows.values())
    sizes = {source: max(1, batch_size * count // total) for source, count in rows.items()}
    while missing := batch_size - sum(sizes.values()):
        one = 1 if missing > 0 else -1  # too many are given where small sources get their one row
        free = [source for source, size in sizes.items() if size + one >= 1]
        # Whose share is furthest from its rows, in whole numbers: batch_size * rows / total - size.
        sizes[max(free, key=lambda source: one * (batch_size * rows[source] - sizes[source] * total))] += one
    return sizes
