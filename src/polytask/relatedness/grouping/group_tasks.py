"""Which tasks to train together, under a budget."""

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
"""Up to so many tasks every set of them is looked at."""

AFFINITY_NEVER_ALONE = -1e6
"""What a task in a group by itself counts in the paper's own code: such groups are not chosen where another choice is left."""


def choose_networks(candidates: Sequence[CandidateNetwork], budget: float, *, overlap: bool = True) -> Grouping:
    """Of networks whose losses are known, those within a budget that predict all tasks best.

    Each task is predicted by the best of the chosen networks that learn it (Standley et al., ICML 2020, section 4). Up to 12 tasks the
    choice is the best one; beyond, it is what a mixed-integer program finds in half a minute, with its gap.

    Args:
        candidates: The networks to choose from: all sets of tasks, some of them, or those that `predict_from_pairs` predicts.
        budget: What the chosen networks may cost together, in networks of the usual size. Since every task's head runs once in any choice,
            a budget for the trunks is a budget for predicting.
        overlap: Whether a network may also learn tasks that another one predicts better, for the good of its own.

    Raises:
        DataError: There is nothing to choose from, or a loss is no number.
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
    """Groups of tasks that do each other good, from an affinity matrix (Fifty et al., NeurIPS 2021, section 3.3).

        max Σ_t max over groups G ∋ t of  mean over u ∈ G, u ≠ t, of Z_ut

    A task may be trained in several groups; it is predicted in the one where it is best. Up to 12 tasks it is the best choice among all
    sets of tasks; beyond, a partition by local search, with how far from the best partition it may be.

    Args:
        affinity: (T, T) Z_ut, what a step on the row's task does for the column's: positive is good. The diagonal does not count.
        names: The T tasks.
        max_groups: At most so many networks, from 1 up.
        affinity_alone: What a task by itself counts: by default it is never left alone where another choice is left.
        overlap: Whether a task may be trained in several groups; beyond 12 tasks it never is.

    Raises:
        DataError: The matrix is not square, has another size than the tasks, or numbers that are none.
        ConfigError: Fewer than one group.

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
    """Minus the mean affinity of the others of a group onto each of its tasks."""
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
            "affinities are finite numbers", where=f"affinity of {names[row]!r} onto {names[column]!r}", found=matrix[row, column]
        )
    return matrix
