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

from polytask.data.passes import passes_of
from polytask.data.samplers import Sampler
from polytask.errors import ConfigError
from polytask.registry.resolve import resolve
from polytask.seeds import seed_of


@final
@dataclass(frozen=True)
class Temperature(Sampler):
    """Every row of a step is of source s with probability p_s ∝ (rows of s)^(1/T).

    T = 1 is proportional to the rows, T → ∞ gives all sources the same chance (Arivazhagan et al., Massively Multilingual Neural Machine
    Translation in the Wild, arXiv 1907.05019, 2019).

    How many rows of each source an epoch holds is p_s of them all, rounded down or up with the expectation exact; their order among the
    sources is drawn. A source that is through is shuffled anew, and the next epoch goes on in it where this one stopped.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, over all sources.
        temperature: T, above 0.
        epoch_steps: How many steps an epoch has; none: until the largest source is through once. Only then the last step may be smaller.

    Raises:
        ConfigError: The temperature is not above 0, or there is no step.

    Example:
        >>> sampler = Temperature({"large": 90_000, "small": 10_000}, batch_size=100, temperature=2.0)
        >>> sampler.probabilities, sampler.steps
        ({'large': 0.75, 'small': 0.25}, 1200)
    """

    rows: Mapping[str, int]
    batch_size: int
    temperature: float = 2.0
    epoch_steps: int | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError("a temperature is above 0", where="temperature", found=self.temperature)
        _check_steps(self.batch_size, self.epoch_steps)

    @property
    def probabilities(self) -> dict[str, float]:
        """Per source with rows how probable it is for a row of a step."""
        relative = self._relative()
        return {source: float(share) for source, share in zip(self._present, relative / relative.sum(), strict=True)}

    @property
    def steps(self) -> int:
        """As many as were asked for, or until the largest source is through."""
        return -(-round(float(self._expected().sum())) // self.batch_size)

    def epoch(self, number: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,); a source that is not drawn is absent."""
        names = self._present
        counts = self._counts(number + 1, seed)
        position = dict(zip(names, counts[:number].sum(axis=0).tolist(), strict=True))
        drawn = np.random.default_rng(seed_of(seed, "sources", number)).permutation(np.repeat(np.arange(len(names)), counts[number]))
        passes = {source: passes_of(source, self.rows[source], seed) for source in names}
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
        if self.epoch_steps is not None:
            return np.asarray(relative * (self.epoch_steps * self.batch_size / relative.sum()))
        largest = max(self.rows.values(), default=0)
        # The largest source is through exactly once; a fraction of a row that the others have together is made a whole one.
        others = float(relative.sum() - relative.max(initial=0.0)) * largest
        factor = np.where(np.arange(len(relative)) == np.argmax(relative), 1.0, math.ceil(others - 1e-6) / others) if others else 1.0
        found: NDArray[np.float64] = relative * largest * factor
        return found

    def _counts(self, epochs: int, seed: int) -> NDArray[np.int64]:
        """(epochs, K) rows of each source in each of the first epochs: rounded by one offset for all sources (systematic sampling)."""
        offsets = np.random.default_rng(seed_of(seed, "sources")).random(epochs)
        ends = np.round(np.cumsum(self._expected()), 6)
        # The last end is a whole number, so that an offset below 1 changes nothing of the sum.
        below = np.floor(ends + offsets[:, np.newaxis]).astype(np.int64)
        return below - np.pad(below, ((0, 0), (1, 0)))[:, :-1]


@final
@dataclass(frozen=True)
class Uniform(Sampler):
    """Every row of a step is of each source with the same probability: `Temperature` with T → ∞.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, over all sources.
        epoch_steps: How many steps an epoch has; none: until the largest source is through once.

    Example:
        >>> Uniform({"large": 900, "small": 100}, batch_size=100).steps
        18
    """

    rows: Mapping[str, int]
    batch_size: int
    epoch_steps: int | None = None

    def __post_init__(self) -> None:
        _check_steps(self.batch_size, self.epoch_steps)

    @property
    def steps(self) -> int:
        """As many as were asked for, or until the largest source is through."""
        return self._limit.steps

    def epoch(self, number: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step and source the row numbers (B,); a source that is not drawn is absent."""
        return self._limit.epoch(number, seed)

    @property
    def _limit(self) -> Temperature:
        return Temperature(self.rows, self.batch_size, math.inf, self.epoch_steps)


@final
@dataclass(frozen=True)
class RoundRobin(Sampler):
    """One source after the other: a step sees one of them, and all have as many steps.

    A batch does not go over the end of a pass. A source that is through is shuffled anew, and the next epoch goes on where this one
    stopped.

    Attributes:
        rows: How many rows each source has.
        batch_size: Rows of a step, all of one source; fewer at the end of a pass.
        epoch_steps: How many steps an epoch has; none: until the largest source is through once and all have had as many turns.

    Example:
        >>> sampler = RoundRobin({"a": 5, "b": 2}, batch_size=2)
        >>> [{source: len(rows) for source, rows in step.items()} for step in sampler.epoch(0, seed=0)]
        [{'a': 2}, {'b': 2}, {'a': 2}, {'b': 2}, {'a': 1}, {'b': 2}]
    """

    rows: Mapping[str, int]
    batch_size: int
    epoch_steps: int | None = None

    def __post_init__(self) -> None:
        _check_steps(self.batch_size, self.epoch_steps)

    @property
    def steps(self) -> int:
        """As many as were asked for, or until the largest source is through."""
        sources = sum(count > 0 for count in self.rows.values())
        return sources * -(-max(self.rows.values()) // self.batch_size) if self.epoch_steps is None else self.epoch_steps

    def epoch(self, number: int, seed: int) -> Iterator[dict[str, Tensor]]:
        """Per step the row numbers (B,) of one source."""
        passes = {source: passes_of(source, count, seed) for source, count in self.rows.items() if count}
        names = list(passes)
        for step in range(number * self.steps, (number + 1) * self.steps):
            turn, place = divmod(step, len(names))
            yield {names[place]: passes[names[place]].batch(turn, self.batch_size)}


def sampler_named(
    mode: str | type[Sampler], rows: Mapping[str, int], batch_size: int, steps: int | None = None, temperature: float = 2.0
) -> Sampler:
    """The sampler of a mode: `proportional`, `temperature`, `uniform`, `round-robin`, or one of yours.

    Args:
        mode: Its name, its import path, or its class.
        rows: How many rows each source has.
        batch_size: Rows of a step.
        steps: Steps of an epoch; none: until the largest source is through once.
        temperature: T of `temperature`; others have none.

    Raises:
        ConfigError: There is no such mode, or a number that cannot be.

    Example:
        >>> sampler_named("uniform", {"a": 10, "b": 10}, batch_size=4).steps
        5
    """
    found = resolve("sampler", mode, where="sampling")
    _check_steps(batch_size, steps)
    told = {"temperature": temperature} if "temperature" in inspect.signature(found.cls).parameters else {}
    sampler: Sampler = found.cls.of(rows, batch_size, steps, **{**told, **found.options})
    return sampler


def _check_steps(batch_size: int, epoch_steps: int | None) -> None:
    for name, value in (("batch_size", batch_size), ("epoch_steps", 1 if epoch_steps is None else epoch_steps)):
        if value < 1:
            raise ConfigError("at least 1 is needed", where=name, found=value)
