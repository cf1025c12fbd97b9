"""False alarms and power by simulation, and the shortcuts of the benchmark against full arrays.

Limits are those that the verdict promises (.085, .07 and .06 with 3, 5 and 10 seeds). With 4,000 studies a true rate of .05
scatters by .0034, so that .06 lies three standard deviations away; seeds are fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from polytask.verdicts.estimates.crossed_anova import MeanSquares, half_widths, mean_squares, variance_of_mean

if TYPE_CHECKING:
    from types import ModuleType

Spread = tuple[float, float, float]
LIMITS = {3: 0.085, 5: 0.07, 10: 0.06}
SPREADS = {"normal": (2.0, 0.45, 1.0), "only seeds": (1.0, 0.0, 0.0), "only rows": (0.0, 1.0, 0.0), "only the rest": (0.0, 0.0, 1.0)}
STUDIES = 4_000


def full(
    generator: np.random.Generator, shape: tuple[int, int, int], spread: tuple[float, float, float], freedom: float = np.inf
) -> np.ndarray:
    """Arrays (studies, S, n); seed and unit effects from t with `freedom` degrees of freedom."""
    studies, seeds, units = shape

    def effects(size: tuple[int, ...]) -> np.ndarray:
        return generator.normal(size=size) if np.isinf(freedom) else generator.standard_t(freedom, size=size)

    D = spread[0] / np.sqrt(units) * effects((studies, seeds, 1)) + spread[1] * effects((studies, 1, units))
    return D + spread[2] * generator.normal(size=shape) if spread[2] else D + np.zeros(shape)


def batches(generator: np.random.Generator, seeds: int, units: int, kind: str, tasks: int) -> MeanSquares:
    """Mean squares (studies, tasks) of full arrays."""
    parts = []
    for _ in range(20):
        spread, freedom = (SPREADS["normal"], 3.0) if kind == "heavy tails" else (SPREADS[kind], np.inf)
        parts.append(mean_squares(full(generator, (STUDIES * tasks // 20, seeds, units), spread, freedom)))
    return MeanSquares(*(np.concatenate(part).reshape(STUDIES, tasks) for part in zip(*parts, strict=True)))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", [*SPREADS, "heavy tails"])
@pytest.mark.parametrize("seeds", LIMITS)
def test_false_alarms_of_full_arrays(simulation: ModuleType, seeds: int, kind: str) -> None:
    squares = batches(np.random.default_rng([seeds, len(kind)]), seeds, 100, kind, tasks=2)
    for tasks in (1, 2):
        rate = simulation.alarms(squares, seeds, 100, tasks).mean()
        assert 0.01 < rate <= LIMITS[seeds]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seeds", LIMITS)
def test_false_alarms_of_classifiers(simulation: ModuleType, seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    squares = simulation.counted(*simulation.hits(generator, seeds, 1_000, (STUDIES, 5)), 1_000)
    for tasks in (1, 2, 5):
        assert 0.005 < simulation.alarms(squares, seeds, 1_000, tasks).mean() <= LIMITS[seeds]


def test_estimated_degrees_of_freedom_would_not_do(simulation: ModuleType) -> None:
    """Why the interval departs from Hillis's: at the level that two tasks need it breaks the limit for 3 seeds."""
    squares = simulation.normal(np.random.default_rng(0), 3, 1_000, (20_000, 2), SPREADS["normal"])
    assert simulation.alarms_of_hillis(squares, 3, 1_000, 2).mean() > LIMITS[3]
    assert simulation.alarms(squares, 3, 1_000, 2).mean() <= 0.05


def test_power_and_wrong_signs(simulation: ModuleType) -> None:
    """With 10 seeds: at 4.5 standard errors at least 90 % right, at 2 at least 25 %, the wrong sign at most 1 %."""
    seeds, units, spread = 10, 1_000, SPREADS["normal"]
    squares = simulation.normal(np.random.default_rng(1), seeds, units, (40_000, 1), spread)
    error = squares.mean.std()
    halves = half_widths(*variance_of_mean(squares, seeds, units), seeds, units, 0.05)
    for effect, least in ((4.5, 0.90), (2.0, 0.25)):
        shifted = squares.mean + effect * error
        assert (shifted > halves).mean() >= least
        assert (shifted < -halves).mean() <= 0.01


def _alike(one: MeanSquares, other: MeanSquares) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert stats.ks_2samp(mine.ravel(), theirs.ravel()).pvalue > 0.01
    ratios = [part.mean.ravel() / np.sqrt(part.seeds + np.maximum(part.units - part.rest, 0)).ravel() for part in (one, other)]
    assert stats.ks_2samp(*ratios).pvalue > 0.01


@pytest.mark.parametrize("seeds", [3, 6])
def test_shortcut_for_normal_effects(simulation: ModuleType, seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    short = simulation.normal(generator, seeds, 60, (6_000, 1), SPREADS["normal"])
    _alike(short, mean_squares(full(generator, (6_000, seeds, 60), SPREADS["normal"])))


@pytest.mark.parametrize("seeds", [2, 5])
def test_shortcut_for_heavy_tails(simulation: ModuleType, seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    short = simulation.heavy(generator, seeds, 60, (6_000, 1))
    _alike(short, mean_squares(full(generator, (6_000, seeds, 60), SPREADS["normal"], freedom=3.0)))


@pytest.mark.parametrize("units", [64, 100, 200])
def test_counts_of_bits_are_the_mean_squares(simulation: ModuleType, units: int) -> None:
    arm, baseline = simulation.hits(np.random.default_rng(units), 4, units, (50, 2))
    words = np.stack([arm, baseline]).view(np.uint8)
    bits = np.unpackbits(words, axis=-1, bitorder="little")[..., :units].astype(np.float64)
    expected = mean_squares(bits[0] - bits[1])
    for mine, theirs in zip(simulation.counted(arm, baseline, units), expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_random_words_have_their_share_of_ones(simulation: ModuleType) -> None:
    sixteenths = np.arange(1, 16)
    words = simulation.bernoulli(np.random.default_rng(0), sixteenths, 4_000)
    shares = np.bitwise_count(words).sum(axis=-1) / (64 * 4_000)
    assert shares == pytest.approx(sixteenths / 16, abs=0.005)
