"""Samplers that mix sources by temperature, uniformly, or in turn, and the function that creates a sampler by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from polytask.data.sampling.proportional_sampler import Sampler
from polytask.data.sampling.shuffling import shuffled_passes
from polytask.errors import ConfigError
from polytask.registry.resolve import resolve
from polytask.seeds import derive_seed


@final
@dataclass(frozen=True)
class TemperatureSampler(Sampler):
    """Sampler that draws each row of a step from source s with probability p_s ∝ (rows of s)^(1/T).

    T = 1 is proportional to the rows, T → ∞ gives all sources the same probability (Arivazhagan et al., Massively Multilingual Neural
    Machine Translation in the Wild, arXiv 1907.05019, 2019).

    The number of rows of source s in an epoch is p_s times the number of all rows of the epoch, rounded down or up at random such that its
    expectation is exact. The order of the sources within an epoch is random. An exhausted source is shuffled anew, and the next epoch
    continues where this one stopped.

    Attributes:
        rows: Number of rows of each source.
        batch_size: Number of rows per step, over all sources.
        temperature: Temperature T, positive; infinity is allowed.
        steps_per_epoch: Number of steps per epoch; `None` ends an epoch after one pass through the largest source, and only then the last
            step may be smaller.

    Raises:
        ConfigError: The temperature is not positive, or `batch_size` or `steps_per_epoch` is less than 1.

    Example:
        >>> sampler = TemperatureSampler({"large": 90_000, "small": 10_000}, batch_size=100, temperature=2.0)
        >>> sampler.probabilities, sampler.steps
        ({'large': 0.75, 'small': 0.25}, 1200)
    """

    rows: Mapping[str, int]
    batch_size: int
    temperature: float = 2.0
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError("a number above 0 is needed", where="temperature", found=self.temperature)
        _check_steps(self.batch_size, self.steps_per_epoch)

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of each source with rows."""
        relative = self._relative()
        return {source: float(share) for source, share in zip(self._present, relative / relative.sum(), strict=True)}

    @property
    def steps(self) -> int:
        """Number of steps per epoch: as set, or as many as one pass through the largest source takes."""
        return -(-round(float(self._expected().sum())) // self.batch_size)

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source; a source that is not drawn is absent."""
        names = self._present
        counts = self._counts(epoch + 1, seed)
        position = dict(zip(names, counts[:epoch].sum(axis=0).tolist(), strict=True))
        drawn = np.random.default_rng(derive_seed(seed, "sources", epoch)).permutation(np.repeat(np.arange(len(names)), counts[epoch]))
        passes = {source: shuffled_passes(source, self.rows[source], seed) for source in names}
        for step in range(self.steps):
            here = np.bincount(drawn[step * self.batch_size : (step + 1) * self.batch_size], minlength=len(names))
            yield {source: passes[source].drawn(position[source], int(many)) for source, many in zip(names, here, strict=True) if many}
            position = {source: position[source] + int(many) for source, many in zip(names, here, strict=True)}

    @property
    def _present(self) -> list[str]:
        return [source for source, count in self.rows.items() if count]

    def _relative(self) -> NDArray[np.float64]:
        """Return the probability of each of the K sources with rows, relative to the largest source, (K,)."""
        counts = np.array([self.rows[source] for source in self._present], dtype=np.float64)
        return np.asarray((counts / counts.max(initial=1.0)) ** (1 / self.temperature))

    def _expected(self) -> NDArray[np.float64]:
        """Return the expected number of rows of each source per epoch, (K,); the total is an integer."""
        relative = self._relative()
        if self.steps_per_epoch is not None:
            return np.asarray(relative * (self.steps_per_epoch * self.batch_size / relative.sum()))
        largest = max(self.rows.values(), default=0)
        # The largest source is used exactly once; the others are scaled up so that their total is an integer.
        others = float(relative.sum() - relative.max(initial=0.0)) * largest
        factor = np.where(np.arange(len(relative)) == np.argmax(relative), 1.0, math.ceil(others - 1e-6) / others) if others else 1.0
        found: NDArray[np.float64] = relative * largest * factor
        return found

    def _counts(self, epochs: int, seed: int) -> NDArray[np.int64]:
        """Return the number of rows of each source in each of the first epochs, (epochs, K).

        Expected numbers are rounded by systematic sampling: one random offset per epoch, shared by all sources.
        """
        offsets = np.random.default_rng(derive_seed(seed, "sources")).random(epochs)
        ends = np.round(np.cumsum(self._expected()), 6)
        # The last cumulative sum is an integer, so an offset below 1 does not change the total.
        below = np.floor(ends + offsets[:, np.newaxis]).astype(np.int64)
        return below - np.pad(below, ((0, 0), (1, 0)))[:, :-1]


@final
@dataclass(frozen=True)
class UniformSampler(Sampler):
    """Sampler that draws each row of a step from all sources with equal probability: `TemperatureSampler` with T → ∞.

    Attributes:
        rows: Number of rows of each source.
        batch_size: Number of rows per step, over all sources.
        steps_per_epoch: Number of steps per epoch; `None` ends an epoch after one pass through the largest source.

    Example:
        >>> UniformSampler({"large": 900, "small": 100}, batch_size=100).steps
        18
    """

    rows: Mapping[str, int]
    batch_size: int
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        _check_steps(self.batch_size, self.steps_per_epoch)

    @property
    def steps(self) -> int:
        """Number of steps per epoch: as set, or as many as one pass through the largest source takes."""
        return self._limit.steps

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) by source; a source that is not drawn is absent."""
        return self._limit.epoch(epoch, seed)

    @property
    def _limit(self) -> TemperatureSampler:
        return TemperatureSampler(self.rows, self.batch_size, math.inf, self.steps_per_epoch)


@final
@dataclass(frozen=True)
class RoundRobinSampler(Sampler):
    """Sampler that takes each step from a single source, with the sources in turn.

    A batch does not extend over the end of a pass. An exhausted source is shuffled anew, and the next epoch continues where this one
    stopped.

    Attributes:
        rows: Number of rows of each source.
        batch_size: Number of rows per step, all from one source; fewer at the end of a pass.
        steps_per_epoch: Number of steps per epoch; `None` ends an epoch when the largest source has been passed through once and all
            sources have had the same number of steps.

    Example:
        >>> sampler = RoundRobinSampler({"a": 5, "b": 2}, batch_size=2)
        >>> [{source: len(rows) for source, rows in step.items()} for step in sampler.epoch(0, seed=0)]
        [{'a': 2}, {'b': 2}, {'a': 2}, {'b': 2}, {'a': 1}, {'b': 2}]
    """

    rows: Mapping[str, int]
    batch_size: int
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        _check_steps(self.batch_size, self.steps_per_epoch)

    @property
    def steps(self) -> int:
        """Number of steps per epoch: as set, or the number of sources times the batches of the largest one."""
        sources = sum(count > 0 for count in self.rows.values())
        return sources * -(-max(self.rows.values()) // self.batch_size) if self.steps_per_epoch is None else self.steps_per_epoch

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Yield for each step the row numbers (B,) of one source."""
        passes = {source: shuffled_passes(source, count, seed) for source, count in self.rows.items() if count}
        names = list(passes)
        for step in range(epoch * self.steps, (epoch + 1) * self.steps):
            turn, place = divmod(step, len(names))
            yield {names[place]: passes[names[place]].batch(turn, self.batch_size)}


def make_sampler(
    name: str | type[Sampler], rows: Mapping[str, int], batch_size: int, steps_per_epoch: int | None = None, temperature: float = 2.0
) -> Sampler:
    """Create a sampler by name: `proportional`, `temperature`, `uniform`, `round-robin`, or a custom one.

    Args:
        name: Name, import path, or class of the sampler.
        rows: Number of rows of each source.
        batch_size: Number of rows per step, over all sources.
        steps_per_epoch: Number of steps per epoch; `None` ends an epoch after one pass through the largest source.
        temperature: Temperature T of `temperature`; ignored by samplers without this option.

    Raises:
        ConfigError: There is no such sampler, or a number is out of range.

    Example:
        >>> make_sampler("uniform", {"a": 10, "b": 10}, batch_size=4).steps
        5
    """
    found = resolve("sampler", name, where="sampling")
    _check_steps(batch_size, steps_per_epoch)
    told = {"temperature": temperature} if "temperature" in inspect.signature(found.cls).parameters else {}
    sampler: Sampler = found.cls.of(rows, batch_size, steps_per_epoch, **{**told, **found.options})
    return sampler


def _check_steps(batch_size: int, steps_per_epoch: int | None) -> None:
    for name, value in (("batch_size", batch_size), ("steps_per_epoch", 1 if steps_per_epoch is None else steps_per_epoch)):
        if value < 1:
            raise ConfigError("a number of at least 1 is needed", where=name, found=value)
