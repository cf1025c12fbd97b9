"""How often a step sees which source, where that is not in proportion to its rows."""

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
    """Every row of a step is of source s with probability p_s ∝ (rows of s)^(1/T).

    T = 1 is proportional to the rows, T → ∞ gives all sources the same chance (Arivazhagan et al., Massively Multilingual Neural Machine
    Translation in the Wild, arXiv 1907.05019, 2019).

    How many rows of each source an epoch holds is p_s of them all, rounded down or up with the expectation exact; their order among the
    sources is drawn. A source that is through is shuffled anew, and the next epoch goes on in it where this one stopped.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, over all sources.
        temperature: T, above 0.
        steps_per_epoch: Number of steps per epoch. By default an epoch ends when the largest source is through; only then the last
            step may be smaller.

    Raises:
        ConfigError: The temperature is not above 0, or there is no step.

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
            raise ConfigError("a temperature is above 0", where="temperature", found=self.temperature)
        _check_steps(self.batch_size, self.steps_per_epoch)

    @property
    def probabilities(self) -> dict[str, float]:
        """Per source with rows how probable it is for a row of a step."""
        relative = self._relative()
        return {source: float(share) for source, share in zip(self._present, relative / relative.sum(), strict=True)}

    @property
    def steps(self) -> int:
        """As many as were asked for, or until the largest source is through."""
        return -(-round(float(self._expected().sum())) // self.batch_size)

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,); a source that is not drawn is absent."""
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
        """(K,) how probable each source is, compared with the largest."""
        counts = np.array([self.rows[source] for source in self._present], dtype=np.float64)
        return np.asarray((counts / counts.max(initial=1.0)) ** (1 / self.temperature))

    def _expected(self) -> NDArray[np.float64]:
        """(K,) how many rows of each source an epoch has on average: a whole number of them together."""
        relative = self._relative()
        if self.steps_per_epoch is not None:
            return np.asarray(relative * (self.steps_per_epoch * self.batch_size / relative.sum()))
        largest = max(self.rows.values(), default=0)
        # The largest source is through exactly once; a fraction of a row that the others have together is made a whole one.
        others = float(relative.sum() - relative.max(initial=0.0)) * largest
        factor = np.where(np.arange(len(relative)) == np.argmax(relative), 1.0, math.ceil(others - 1e-6) / others) if others else 1.0
        found: NDArray[np.float64] = relative * largest * factor
        return found

    def _counts(self, epochs: int, seed: int) -> NDArray[np.int64]:
        """(epochs, K) rows of each source in each of the first epochs: rounded by one offset for all sources (systematic sampling)."""
        offsets = np.random.default_rng(derive_seed(seed, "sources")).random(epochs)
        ends = np.round(np.cumsum(self._expected()), 6)
        # The last end is a whole number, so that an offset below 1 changes nothing of the sum.
        below = np.floor(ends + offsets[:, np.newaxis]).astype(np.int64)
        return below - np.pad(below, ((0, 0), (1, 0)))[:, :-1]


@final
@dataclass(frozen=True)
class UniformSampler(Sampler):
    """Every row of a step is of each source with the same probability: `TemperatureSampler` with T → ∞.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, over all sources.
        steps_per_epoch: How many steps an epoch has; none: until the largest source is through once.

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
        """As many as were asked for, or until the largest source is through."""
        return self._limit.steps

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,); a source that is not drawn is absent."""
        return self._limit.epoch(epoch, seed)

    @property
    def _limit(self) -> TemperatureSampler:
        return TemperatureSampler(self.rows, self.batch_size, math.inf, self.steps_per_epoch)


@final
@dataclass(frozen=True)
class RoundRobinSampler(Sampler):
    """One source after the other: a step sees one of them, and all have as many steps.

    A batch does not go over the end of a pass. A source that is through is shuffled anew, and the next epoch goes on where this one
    stopped.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, all of one source; fewer at the end of a pass.
        steps_per_epoch: How many steps an epoch has; none: until the largest source is through once and all have had as many turns.

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
        """As many as were asked for, or until the largest source is through."""
        sources = sum(count > 0 for count in self.rows.values())
        return sources * -(-max(self.rows.values()) // self.batch_size) if self.steps_per_epoch is None else self.steps_per_epoch

    def epoch(self, epoch: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step the row numbers (B,) of one source."""
        passes = {source: shuffled_passes(source, count, seed) for source, count in self.rows.items() if count}
        names = list(passes)
        for step in range(epoch * self.steps, (epoch + 1) * self.steps):
            turn, place = divmod(step, len(names))
            yield {names[place]: passes[names[place]].batch(turn, self.batch_size)}


def make_sampler(
    name: str | type[Sampler], rows: Mapping[str, int], batch_size: int, steps_per_epoch: int | None = None, temperature: float = 2.0
) -> Sampler:
    """The sampler of a mode: `proportional`, `temperature`, `uniform`, `round-robin`, or one of yours.

    Args:
        name: Its name, its import path, or its class.
        rows: How many rows each source has.
        batch_size: Rows of a step.
        steps_per_epoch: Steps of an epoch; none: until the largest source is through once.
        temperature: T of `temperature`; others have none.

    Raises:
        ConfigError: There is no such mode, or a number that cannot be.

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
            raise ConfigError("at least 1 is needed", where=name, found=value)
