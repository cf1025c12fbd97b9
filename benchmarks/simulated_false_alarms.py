"""Measure by simulation how often the verdict raises a false alarm.

    python benchmarks/simulated_false_alarms.py [--arrays 20000] [--write]

Every cell draws studies in which no task has an effect, and counts those in which any interval excludes 0. Normal and
heavy-tailed studies are drawn as the sufficient statistics of the analysis of variance (mean and mean squares), which have
known distributions; hits of classifiers are drawn one by one, 64 per machine word, and their mean squares are exact
counts. tests/verdicts/test_false_alarms_and_power.py checks both shortcuts against full arrays.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from markdown_tables import put, row, share
from polytask.verdicts.estimates.crossed_anova import MeanSquares, half_widths, variance_of_mean
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Words = NDArray[np.uint64]
    Draw = Callable[[np.random.Generator, int, int, tuple[int, int]], MeanSquares]
    Judge = Callable[[MeanSquares, int, int, int], NDArray[np.bool_]]

SEEDS = (3, 5, 10)
UNITS = (200, 1_000, 4_000, 10_000)
TASKS = (1, 2, 5, 14)
LOOKS = (5, 8, 12)
CHUNK = 500

# Standard deviations of the effects of seeds (times the root of the units), of units, and of the rest.
NORMAL = {
    "normal": (2.0, 0.45, 1.0),
    "only seeds vary": (1.0, 0.0, 0.0),
    "only rows vary": (0.0, 1.0, 0.0),
    "only the rest varies": (0.0, 0.0, 1.0),
}


def normal(
    generator: np.random.Generator, seeds: int, units: int, shape: tuple[int, int], spread: tuple[float, float, float]
) -> MeanSquares:
    """Draw mean squares of normal effects: independent chi-squares around their expectations."""
    seed_variance, of_units, of_rest = spread[0] ** 2 / units, spread[1] ** 2, spread[2] ** 2
    freedom = (seeds - 1, units - 1, (seeds - 1) * (units - 1))
    expected = (units * seed_variance + of_rest, seeds * of_units + of_rest, of_rest)
    squares = (mean * generator.chisquare(df, shape) / df for mean, df in zip(expected, freedom, strict=True))
    deviation = np.sqrt(seed_variance / seeds + of_units / units + of_rest / (seeds * units))
    return MeanSquares(deviation * generator.normal(size=shape), *squares)


def heavy(generator: np.random.Generator, seeds: int, units: int, shape: tuple[int, int]) -> MeanSquares:
    """Draw mean squares with seed and unit effects from Student's t with 3 degrees of freedom, and a normal rest.

    Given the effects, the sum of squares of effects plus normal noise is (root of their sum of squares + one normal)^2 + a chi-square.
    """
    sizes, spreads, noises = (seeds, units), (2.0 / np.sqrt(units), 0.45), (1 / units, 1 / seeds)
    mean, squares = generator.normal(size=shape) / np.sqrt(seeds * units), []
    for size, spread, noise in zip(sizes, spreads, noises, strict=True):
        effects = spread * generator.standard_t(3, (*shape, size))
        mean += effects.mean(axis=-1)
        total = ((effects - effects.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
        noisy = (np.sqrt(total) + np.sqrt(noise) * generator.normal(size=shape)) ** 2
        if size > 2:
            noisy += noise * generator.chisquare(size - 2, shape)
        squares.append(seeds * units / size * noisy / (size - 1))
    freedom = (seeds - 1) * (units - 1)
    return MeanSquares(mean, squares[0], squares[1], generator.chisquare(freedom, shape) / freedom)


def bernoulli(generator: np.random.Generator, sixteenths: NDArray[np.int64], words: int) -> Words:
    """Draw words (..., words) whose bits are 1 with probability sixteenths / 16 each."""
    bits = np.zeros((*sixteenths.shape, words), dtype=np.uint64)
    for digit in range(4):
        fresh = generator.integers(0, 2**64, size=bits.shape, dtype=np.uint64)
        one = ((sixteenths >> digit) & 1).astype(bool)[..., None]
        bits = np.where(one, bits | fresh, bits & fresh)
    return bits


def hits(generator: np.random.Generator, seeds: int, units: int, shape: tuple[int, int]) -> tuple[Words, Words]:
    """Draw hits (*shape, seeds, words) of two classifiers that are equally good, one bit per unit.

    3/32 of the units are hard: each run gets them right with its own probability (7, 8 or 9 in 16: the effect of the seed),
    the same for both arms on average. On 1/32 of the units one arm is right and the other wrong whatever the seed (the
    effect of the unit), with even chances for either arm. On the rest both are right.
    """
    words = -(-units // 64)
    ones: Words = np.full(words, 2**64 - 1, dtype=np.uint64)
    if units % 64:
        ones[-1] = (1 << (units % 64)) - 1
    eighth = bernoulli(generator, np.full(shape, 2), words)[..., None, :]
    quarter = bernoulli(generator, np.full(shape, 4), words)[..., None, :]
    side = bernoulli(generator, np.full(shape, 8), words)[..., None, :]
    hard, disputed = eighth & ~quarter, eighth & quarter
    arms = []
    for claim in (side, ~side):
        lucky = bernoulli(generator, generator.integers(7, 10, size=(*shape, seeds)), words)
        arms.append((~eighth | hard & lucky | disputed & claim) & ones)
    return arms[0], arms[1]


def counted(arm: Words, baseline: Words, units: int) -> MeanSquares:
    """Return the mean squares of the differences of hits (..., seeds, words), from counts of bits."""
    seeds = arm.shape[-2]

    def count(bits: Words) -> Floats:
        return np.asarray(np.bitwise_count(bits).sum(axis=-1), dtype=np.float64)

    by_seed = (count(arm) - count(baseline)) / units
    mean = by_seed.mean(axis=-1)
    total = count(arm ^ baseline).sum(axis=-1)  # sum of D^2
    pairs = np.zeros_like(total)  # sum over units of D_s D_s', s < s'
    for s in range(1, seeds):
        here, there = (arm[..., s, None, :], baseline[..., s, None, :]), (arm[..., :s, :], baseline[..., :s, :])
        same = count(here[0] & there[0]) + count(here[1] & there[1])
        pairs += (same - count(here[0] & there[1]) - count(here[1] & there[0])).sum(axis=-1)
    between_seeds = units * ((by_seed - mean[..., None]) ** 2).sum(axis=-1)
    between_units = (total + 2 * pairs) / seeds - seeds * units * mean**2
    rest = total - seeds * units * mean**2 - between_seeds - between_units
    squares = (between_seeds / (seeds - 1), between_units / (units - 1), rest / ((seeds - 1) * (units - 1)))
    return MeanSquares(mean, *(np.where(square < 1e-9, 0.0, square) for square in squares))


def alarms(squares: MeanSquares, seeds: int, units: int, tasks: int, level: float = FAMILYWISE_LEVEL) -> NDArray[np.bool_]:
    """Return whether any of the first `tasks` intervals of each study excludes 0. The truth is 0, so Holm's first step decides."""
    first = MeanSquares(*(part[:, :tasks] for part in squares))
    halves = half_widths(*variance_of_mean(first, seeds, units), seeds, units, level / tasks)
    return np.asarray((np.abs(first.mean) > halves).any(axis=1))


def alarms_of_hillis(squares: MeanSquares, seeds: int, units: int, tasks: int) -> NDArray[np.bool_]:
    """Return the same with Hillis's estimated degrees of freedom, which the verdict does not use, for comparison."""
    first = MeanSquares(*(part[:, :tasks] for part in squares))
    seed_variance, of_units = variance_of_mean(first, seeds, units)
    df = np.minimum(units - 1, (seeds - 1) * (1 + of_units / seed_variance) ** 2)
    halves = stdtrit(df, 1 - FAMILYWISE_LEVEL / tasks / 2) * np.sqrt(seed_variance + of_units)
    return np.asarray((np.abs(first.mean) > halves).any(axis=1))


def rates(draw: Draw, judge: Judge, seeds: int, units: int, arrays: int) -> list[float]:
    """Return the familywise rate of false alarms for every number of tasks; the cells of a line share their draws."""
    generator = np.random.default_rng([seeds, units])
    counts = [0] * len(TASKS)
    for size in _chunks(arrays):
        squares = draw(generator, seeds, units, (size, max(TASKS)))
        counts = [count + int(judge(squares, seeds, units, tasks).sum()) for count, tasks in zip(counts, TASKS, strict=True)]
    return [count / arrays for count in counts]


def rates_with_looks(units: int, arrays: int) -> list[float]:
    """Return the rates of false alarms at any of three looks (5, 8 and 12 seeds), each at a third of the level, for hits of classifiers."""
    generator = np.random.default_rng([max(LOOKS), units])
    counts = [0] * len(TASKS)
    for size in _chunks(arrays):
        arm, baseline = hits(generator, max(LOOKS), units, (size, max(TASKS)))
        squares = {seeds: counted(arm[:, :, :seeds], baseline[:, :, :seeds], units) for seeds in LOOKS}
        for i, tasks in enumerate(TASKS):
            looks = [alarms(squares[seeds], seeds, units, tasks, FAMILYWISE_LEVEL / len(LOOKS)) for seeds in LOOKS]
            counts[i] += int(np.any(looks, axis=0).sum())
    return [count / arrays for count in counts]


def _chunks(arrays: int) -> Iterator[int]:
    for start in range(0, arrays, CHUNK):
        yield min(CHUNK, arrays - start)


def _draws() -> dict[str, Draw]:
    def of_spread(spread: tuple[float, float, float]) -> Draw:
        return lambda generator, seeds, units, shape: normal(generator, seeds, units, shape, spread)

    def of_hits(generator: np.random.Generator, seeds: int, units: int, shape: tuple[int, int]) -> MeanSquares:
        return counted(*hits(generator, seeds, units, shape), units)

    return {name: of_spread(spread) for name, spread in NORMAL.items()} | {"heavy tails": heavy, "hits of classifiers": of_hits}


def lines(arrays: int) -> Iterator[str]:
    """Yield the lines of the Markdown table."""
    yield f"| effects | seeds | rows | {' | '.join(f'T = {tasks}' for tasks in TASKS)} |"
    yield "|---|---|---|" + "---|" * len(TASKS)
    draws = _draws()
    for name, draw in draws.items():
        for seeds, units in itertools.product(SEEDS, UNITS):
            yield _line(name, seeds, units, rates(draw, alarms, seeds, units, arrays))
    for units in UNITS:
        yield _line("hits, three looks", ", ".join(map(str, LOOKS)), units, rates_with_looks(units, arrays))
    for seeds, units in itertools.product(SEEDS, UNITS):
        yield _line("*normal, with Hillis's df*", seeds, units, rates(draws["normal"], alarms_of_hillis, seeds, units, arrays))


def _line(name: str, seeds: int | str, units: int, shares: list[float]) -> str:
    return row([name, seeds, f"{units:,}", *map(share, shares)])


def main() -> None:
    """Print the table, and write it with `--write`."""
    parser = argparse.ArgumentParser(description="False alarms of the verdict, by simulation")
    parser.add_argument("--arrays", type=int, default=20_000, help="simulated studies per cell")
    parser.add_argument("--write", action="store_true", help="write the table to docs/verdict.md")
    options = parser.parse_args()
    started, written = time.monotonic(), []
    for line in lines(options.arrays):
        print(line, flush=True)
        written.append(line)
    print(f"\n{options.arrays:,} studies per cell, {time.monotonic() - started:.0f} s")
    if options.write:
        put("calibration", "\n".join([f"{options.arrays:,} simulated studies per cell.", "", *written]))


if __name__ == "__main__":
    main()
