"""Choice of the tasks to train together under a budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.relatedness.grouping.candidate_networks import CandidateNetwork, Grouping, check_candidates
from polytask.relatedness.grouping.dynamic_programming import best_partition
from polytask.relatedness.grouping.local_search import search_partition
from polytask.relatedness.grouping.mixed_integer_program import best_selection

MAX_EXACT_TASKS = 12
"""Maximum number of tasks for which all sets of tasks are enumerated."""

AFFINITY_NEVER_ALONE = -1e6
"""Affinity of a task in a group by itself, as in the authors' code: such groups are chosen only if there is no other choice."""


def choose_networks(candidates: Sequence[CandidateNetwork], budget: float, *, overlap: bool = True) -> Grouping:
    """Choose the networks within a budget that together predict all tasks with the smallest total loss.

    Each task is predicted by the best of the chosen networks that learn it (Standley et al., ICML 2020, section 4). Up to 12 tasks the
    choice is optimal; beyond, it is the best that a mixed-integer program finds in 30 seconds, with its gap.

    Args:
        candidates: Networks to choose from: all sets of tasks, some of them, or those that `predict_from_pairs` returns.
        budget: Maximum total cost of the chosen networks, relative to networks of the usual size. Since every task's head runs once in
            any choice, a budget for the trunks is a budget for inference.
        overlap: Whether a network may also learn tasks that another network predicts, as auxiliary tasks.

    Raises:
        DataError: There are no candidates with tasks, a loss is not finite, or a cost is not finite and above 0.
        ConfigError: No choice within the budget predicts all tasks.

    Example:
        >>> pair, rest = CandidateNetwork({"a": 2.0, "b": 1.0}), CandidateNetwork({"c": 1.0}, cost=0.5)
        >>> networks = [CandidateNetwork({"a": 1.0, "b": 4.0, "c": 3.0}), pair, rest]
        >>> choose_networks(networks, budget=1.5).groups
        (('a', 'b'), ('c',))
    """
    tasks = check_candidates(candidates)
    solve = best_partition if len(tasks) <= MAX_EXACT_TASKS else best_selection
    found = solve(candidates, tasks, budget, overlap=overlap) if budget > 0 else None
    if found is None:
        raise ConfigError("no choice of networks within this budget predicts all tasks", where="budget", found=budget)
    return found


def group_by_affinity(
    affinity: NDArray[Any], names: Sequence[str], max_groups: int, *, affinity_alone: float = AFFINITY_NEVER_ALONE, overlap: bool = True
) -> Grouping:
    """Group tasks that help each other, from an affinity matrix (Fifty et al., NeurIPS 2021, section 3.3).

        max Σ_t max over groups G ∋ t of  mean over u ∈ G, u ≠ t, of Z_ut

    A task may be trained in several groups; it is predicted in the one where it is best. Up to 12 tasks the grouping is optimal among all
    sets of tasks; beyond, it is a partition found by local search, with a bound on its distance from the best partition.

    Args:
        affinity: (T, T) affinities Z_ut: the effect of a step on the row's task on the column's task; positive values are beneficial. The
            diagonal is ignored.
        names: Names of the T tasks.
        max_groups: Maximum number of networks, at least 1.
        affinity_alone: Affinity of a task in a group by itself; by default so low that a task is alone only if there is no other choice.
        overlap: Whether a task may be trained in several groups; it never is with more than 12 tasks.

    Raises:
        DataError: The shape of the matrix is not (T, T), there are no tasks, or an affinity is not finite.
        ConfigError: `max_groups` is below 1.

    Example:
        >>> Z = np.array([[0.0, 0.3, -0.1], [0.2, 0.0, -0.2], [0.1, -0.1, 0.0]])
        >>> group_by_affinity(Z, ("a", "b", "c"), max_groups=2).networks
        (('a', 'b'), ('a', 'c'))
    """
    matrix = _check_affinity(affinity, names)
    if max_groups < 1:
        raise ConfigError("at least one group is needed", where="groups", found=max_groups)
    if len(names) > MAX_EXACT_TASKS:
        return search_partition(matrix, names, min(max_groups, len(names)), affinity_alone)
    candidates = [
        CandidateNetwork(_group_losses(matrix, names, own, affinity_alone))
        for size in range(1, len(names) + 1)
        for own in combinations(range(len(names)), size)
    ]
    return choose_networks(candidates, max_groups, overlap=overlap)


def _group_losses(matrix: NDArray[np.float64], names: Sequence[str], own: Sequence[int], alone: float) -> dict[str, float]:
    """Return, per task of a group, minus the mean affinity of the other tasks of the group onto it."""
    if len(own) == 1:
        return {names[own[0]]: -alone}
    inner = matrix[np.ix_(own, own)]
    means = (inner.sum(axis=0) - inner.diagonal()) / (len(own) - 1)
    return {names[place]: -mean for place, mean in zip(own, means.tolist(), strict=True)}


def _check_affinity(affinity: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    matrix = np.array(affinity, dtype=np.float64)
    if matrix.shape != (len(names), len(names)) or not len(names):
        raise DataError("a row and a column for every task are needed", where="affinity", found=f"shape {matrix.shape}, {len(names)} tasks")
    np.fill_diagonal(matrix, 0.0)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise DataError(
            "affinities must be finite numbers", where=f"affinity of {names[row]!r} onto {names[column]!r}", found=matrix[row, column]
        )
    return matrix
