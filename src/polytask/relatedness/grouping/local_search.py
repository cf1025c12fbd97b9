"""Grouping of many tasks from pairwise affinities by local search, with a bound on the distance from the optimum.

In a partition into groups G of n_G tasks, with A = Z + Zᵀ,

    Σ_t mean over u ∈ G, u ≠ t, of Z_ut = Σ_G a_G / (n_G − 1),    a_G = Σ over pairs of G of A

so that moving a task, or exchanging two, changes two fractions. All such changes are evaluated at once, and the best one is applied until
none improves the sum.

**Bound.** A task in a group of n contributes at most v_t(n) = ½ mean of its n − 1 largest A, and Σ_t 1 / n_t is the number of groups, at
most k. So for every λ ≥ 0 the value of any partition is at most

    λ k + Σ_t max over n of (v_t(n) − λ / n)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from polytask.relatedness.grouping.candidate_networks import Grouping

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESTARTS = 50
ROUNDING = 1e-12


def search_partition(affinity: Floats, names: Sequence[str], max_groups: int, affinity_alone: float) -> Grouping:
    """Partition the tasks into groups with a large sum of mean affinities, by local search from random partitions.

    Args:
        affinity: (T, T) affinities of the row's task onto the column's.
        names: Names of the T tasks.
        max_groups: Maximum number of groups.
        affinity_alone: Affinity of a task in a group by itself.

    Returns:
        The best partition found. Its total is minus the sum of mean affinities.
    """
    both = affinity + affinity.T
    np.fill_diagonal(both, 0.0)
    random = np.random.default_rng(0)
    climbed = [_hill_climb(both, random.integers(max_groups, size=len(names)), max_groups, affinity_alone) for _ in range(RESTARTS)]
    members = max(climbed, key=lambda found: _partition_value(both, found, max_groups, affinity_alone))
    most = _partition_value(both, members, max_groups, affinity_alone)
    used = np.unique(members).tolist()
    networks = tuple(tuple(name for name, group in zip(names, members.tolist(), strict=True) if group == number) for number in used)
    served_by = {name: used.index(group) for name, group in zip(names, members.tolist(), strict=True)}
    return Grouping(networks, served_by, -most, min(-most, -_upper_bound(both, max_groups, affinity_alone)))


def _hill_climb(both: Floats, members: Ints, groups: int, alone: float) -> Ints:
    """Return a partition that no move of a task and no exchange of two improves, from the given one by steepest ascent."""
    while True:
        value = _partition_value(both, members, groups, alone)
        moves, exchanges = _after_moves(both, members, groups, alone), _after_exchanges(both, members, groups, alone)
        if max(moves.max(), exchanges.max()) <= value + ROUNDING * max(1.0, abs(value)):
            return members
        members = members.copy()
        if moves.max() >= exchanges.max():
            task, group = np.unravel_index(moves.argmax(), moves.shape)
            members[task] = group
        else:
            first, second = np.unravel_index(exchanges.argmax(), exchanges.shape)
            members[[first, second]] = members[[second, first]]


def _group_sums(both: Floats, members: Ints, groups: int) -> tuple[Floats, Floats, Ints]:
    """Return Σ A per task and group (T, k), a_G per group (k,), and n_G per group (k,)."""
    inside = (members[:, None] == np.arange(groups)).astype(np.float64)
    to_groups = both @ inside
    return to_groups, (to_groups * inside).sum(axis=0) / 2, inside.sum(axis=0).astype(np.int64)


def _group_values(pairs: Floats, sizes: Ints, alone: float) -> Floats:
    """Return the values of groups with these a_G and n_G."""
    return np.where(sizes > 1, pairs / np.maximum(sizes - 1, 1), np.where(sizes == 1, alone, 0.0))


def _partition_value(both: Floats, members: Ints, groups: int, alone: float) -> float:
    _, pairs, sizes = _group_sums(both, members, groups)
    return float(_group_values(pairs, sizes, alone).sum())


def _after_moves(both: Floats, members: Ints, groups: int, alone: float) -> Floats:
    """Return the value of the partition after moving each task to each group, (T, k)."""
    to_groups, pairs, sizes = _group_sums(both, members, groups)
    parts, tasks = _group_values(pairs, sizes, alone), np.arange(len(members))
    left = _group_values(pairs[members] - to_groups[tasks, members], sizes[members] - 1, alone) - parts[members]
    joined = _group_values(pairs + to_groups, sizes + 1, alone) - parts
    values = parts.sum() + left[:, None] + joined
    values[tasks, members] = parts.sum()
    return np.asarray(values)


def _after_exchanges(both: Floats, members: Ints, groups: int, alone: float) -> Floats:
    """Return the value of the partition after exchanging each pair of tasks, (T, T); −∞ for tasks of the same group."""
    to_groups, pairs, sizes = _group_sums(both, members, groups)
    own = to_groups[np.arange(len(members)), members]
    changes = to_groups[:, members] - own - both  # change of a_G of the column task's group when the row task replaces it there
    gains = np.where(sizes[members] > 1, changes / np.maximum(sizes[members] - 1, 1), 0.0)
    values = _group_values(pairs, sizes, alone).sum() + gains + gains.T
    return np.asarray(np.where(members[:, None] == members, -np.inf, values))


def _upper_bound(both: Floats, groups: int, alone: float) -> float:
    """Return the smallest of the bounds in the module docstring over λ."""
    tasks = len(both)
    others = both[~np.eye(tasks, dtype=bool)].reshape(tasks, tasks - 1)
    largest = -np.sort(-others, axis=1)
    means = largest.cumsum(axis=1) / np.arange(1, tasks) / 2
    values = np.concatenate([np.full((tasks, 1), alone), means], axis=1)
    shares = 1.0 / np.arange(1, tasks + 1)

    def bound(price: float) -> float:
        return float(price * groups + (values - price * shares).max(axis=1).sum())

    highest = tasks * float(np.ptp(means)) + 1.0
    return min(bound(0.0), float(minimize_scalar(bound, bounds=(0.0, highest), method="bounded").fun))
