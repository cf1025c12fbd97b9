"""Levels of the looks of a sequential plan, exact for paired t tests over seeds.

A plan looks at the test data after s_1 < ... < s_K seeds, and has spent the error A_1 < ... < A_K by then (Lan & DeMets, Biometrika
70:659, 1983). At look k the null hypothesis is rejected if |t_k| exceeds the two-sided quantile of level a_k of Student's t with
s_k - 1 degrees of freedom, and the a_k solve

    P(|t_k| is beyond a_k, and no earlier |t_j| is beyond a_j)  =  A_k - A_(k-1)

**The sequence of t statistics is a Markov chain**, so that one variable per look is enough. Let x be the differences of the first k
seeds, S their sum, Q their sum of squares and r_k = S / sqrt(k Q), the cosine between x and the vector of ones; t_k is a
monotone function of r_k. With effect 0 the direction of x is uniform on a sphere and independent of Q. After m further seeds, with
n = k + m,

    r_n = sqrt(k / n) cos(f) r_k  +  sqrt(m / n) sin(f) r',     cos(f)^2 ~ Beta(k / 2, m / 2)

where r' is the cosine of the m further differences alone and f is the angle that splits the length of all n; the three are
independent. For given r_k and r' the right side is R cos(f - f_0), so that exceeding c is an interval of f, whose probability is an
incomplete beta function. What remains is a sum over Gauss nodes of r', whose density is proportional to (1 - r'^2)^((m - 3) / 2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, roots_gegenbauer, stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

EDGES = 200
NODES = 40
ANGLES = 20_001
SMALLEST = 1e-7
"""Smallest two-sided level that is resolved; smaller ones are spent without being corrected for other looks."""


def nominal_levels(seeds: Sequence[int], spent: Sequence[float]) -> tuple[float, ...]:
    """Return the two-sided level a_k of every look of one hypothesis.

    Args:
        seeds: (K,) numbers of seeds of the looks, increasing, from 2 up.
        spent: (K,) errors spent by then, not decreasing; a look that spends nothing has the level 0.

    Example:
        >>> [round(level, 4) for level in nominal_levels((5, 8, 12, 20), (0.0125, 0.02, 0.03, 0.05))]
        [0.0125, 0.01, 0.0139, 0.0265]
    """
    return _levels(tuple(seeds), tuple(map(float, spent)))


@lru_cache(maxsize=4096)
def _levels(seeds: tuple[int, ...], spent: tuple[float, ...]) -> tuple[float, ...]:
    levels = [spent[0]]
    tails = _edges()  # probability of |t| beyond every edge, without an earlier rejection
    for before, now, increase in zip(seeds, seeds[1:], np.diff(spent).tolist(), strict=False):
        tails = _masses(tails, levels[-1]) @ _tails(before, now)
        levels.append(_level_of(tails, increase))
    return tuple(levels)


def _edges() -> Floats:
    """Return the (EDGES,) two-sided levels of the edges of cells: 1 at the center, 0 at the end; denser towards the end on a log scale."""
    inner = EDGES // 3
    return np.asarray(np.concatenate([np.linspace(1.0, 0.2, inner, endpoint=False), np.geomspace(0.2, SMALLEST, EDGES - inner - 1), [0.0]]))


def _masses(tails: Floats, level: float) -> Floats:
    """Return the (EDGES,) masses of cells that are not beyond a level, each divided between the edges of its cell."""
    edges = _edges()
    kept = np.clip((edges[:-1] - level) / (edges[:-1] - edges[1:]), 0.0, 1.0)  # share of each cell
    mass = kept * -np.diff(tails)
    return np.asarray(np.append(mass * (1 - kept / 2), 0.0) + np.append(0.0, mass * kept / 2))


def _level_of(tails: Floats, increase: float) -> float:
    """Return the level beyond which the probability is `increase`, by interpolation on log scales."""
    if increase <= 0:
        return 0.0
    if increase <= tails[-2]:
        return increase
    order = slice(-2, 0, -1)  # without the center, whose level is 1, and the end, whose level is 0
    return float(np.exp(np.interp(np.log(increase), np.log(np.maximum(tails[order], 1e-300)), np.log(_edges()[order]))))


@lru_cache(maxsize=64)
def _tails(before: int, now: int) -> Floats:
    """Return the (EDGES, EDGES) probabilities that |t| of `now` seeds is beyond an edge, given the edge of |t| of `before` seeds."""
    edges, more = _edges(), now - before
    ours = cosine_of_level(edges, before)[:, None] * np.sqrt(before / now)
    bounds = cosine_of_level(edges[1:-1], now)[None, :]
    angles = betainc(before / 2, more / 2, np.cos(np.linspace(0, np.pi / 2, ANGLES)) ** 2)
    nodes, weights = _cosines(more)
    total: Floats = np.zeros((EDGES, EDGES - 2))
    for their, weight in zip(nodes * np.sqrt(more / now), weights, strict=True):
        for sign in (1.0, -1.0):
            total += weight * _beyond(sign * ours, their, bounds, angles)
    ends = np.ones((EDGES, 1))
    return np.concatenate([ends, total, 0 * ends], axis=1)


def _beyond(ours: Floats, their: float, bounds: Floats, angles: Floats) -> Floats:
    """Return the probabilities (EDGES, EDGES - 2) of ours cos(f) + their sin(f) > bound; `angles` has those of f > angle."""
    length, center = np.hypot(ours, their), np.arctan2(their, ours)
    half = np.arccos(np.minimum(bounds / np.maximum(length, SMALLEST), 1.0))
    step = (len(angles) - 1) / (np.pi / 2)
    low, high = (np.clip((angle * step + 0.5).astype(np.int64), 0, len(angles) - 1) for angle in (center - half, center + half))
    return np.asarray(angles[low] - angles[high])


def cosine_of_level(level: ArrayLike, seeds: int) -> Floats:
    """Return |r|, the cosine between differences and the vector of ones, at which |t| has this two-sided level, elementwise.

    Example:
        >>> cosine_of_level(1.0, 5).item(), round(cosine_of_level(0.05, 5).item(), 4)  # t = 2.776
        (0.0, 0.8114)
    """
    t = -stdtrit(seeds - 1.0, np.maximum(np.asarray(level, dtype=np.float64) / 2, SMALLEST**2))
    return np.asarray(t / np.sqrt(t**2 + seeds - 1)) + 0.0


def _cosines(seeds: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of the cosine of this many differences alone; that of a single one is -1 or 1."""
    if seeds == 1:
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    if seeds == 2:  # the arcsine law, which the Gegenbauer polynomials have as their limit
        return np.cos((2 * np.arange(1, NODES + 1) - 1) * np.pi / (2 * NODES)), np.full(NODES, 1 / NODES)
    nodes, weights = roots_gegenbauer(NODES, (seeds - 2) / 2)
    return np.asarray(nodes), np.asarray(weights / weights.sum())
