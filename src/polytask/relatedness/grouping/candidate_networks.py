"""Candidate networks, and a choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from statistics import fmean
from typing import Any

from polytask.errors import DataError


@dataclass(frozen=True)
class CandidateNetwork:
    """A network that could be trained on some of the tasks.

    Attributes:
        losses: Measured or predicted loss per task of the network. Lower is better; all tasks must have the same scale.
        cost: Cost of the network, relative to a network of the usual size.
    """

    losses: Mapping[str, float]
    cost: float = 1.0

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that the network learns."""
        return tuple(self.losses)


@dataclass(frozen=True)
class Grouping:
    """Networks that together predict all tasks.

    Attributes:
        networks: Tasks that are trained in each network; a task may be trained in several.
        served_by: Per task, the index of the network that predicts it.
        total: Sum over the tasks of the loss in the network that predicts the task.
        bound: Lower bound on the total of any choice within the budget; equal to `total` if the choice is known to be optimal.
        chosen: Index of each network among the candidates; empty if the groups were not chosen from a list.
    """

    networks: tuple[tuple[str, ...], ...]
    served_by: Mapping[str, int]
    total: float
    bound: float
    chosen: tuple[int, ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Tasks that each network predicts."""
        return tuple(tuple(task for task, number in self.served_by.items() if number == network) for network in range(len(self.networks)))

    @property
    def gap(self) -> float:
        """Upper bound on the difference between the total and the optimum; 0 if the choice is known to be optimal."""
        return self.total - self.bound

    def to_dict(self) -> dict[str, Any]:
        """Return the networks, the groups, the total and the gap as plain data."""
        return {
            "networks": [list(network) for network in self.networks],
            "groups": [list(group) for group in self.groups],
            "total": self.total,
            "gap": self.gap,
        }


def predict_from_pairs(measured: Sequence[CandidateNetwork], tasks: Sequence[str]) -> tuple[CandidateNetwork, ...]:
    """Predict the losses of all networks of three or more tasks from those of pairs (Standley et al., ICML 2020, section 4.4).

        L_t(S) = mean over u ∈ S, u ≠ t, of L_t({t, u})

    Args:
        measured: Networks of one and of two tasks; larger ones are ignored, since the prediction replaces them.
        tasks: All tasks; T tasks make 2^T − 1 networks.

    Returns:
        The measured networks of one and two tasks, and the predicted ones.

    Raises:
        DataError: A pair is missing.

    Example:
        >>> pairs = [CandidateNetwork({"a": 1.0, "b": 4.0}), CandidateNetwork({"a": 3.0, "c": 1.0}), CandidateNetwork({"b": 2.0, "c": 3.0})]
        >>> predict_from_pairs(pairs, ("a", "b", "c"))[-1].losses
        {'a': 2.0, 'b': 3.0, 'c': 2.0}
    """
    small = [candidate for candidate in measured if len(candidate.losses) < 3]
    pairs = {frozenset(candidate.tasks): candidate.losses for candidate in small if len(candidate.losses) == 2}
    for first, second in combinations(tasks, 2):
        if frozenset((first, second)) not in pairs:
            raise DataError("every pair of tasks must have a network", where="pairs", found=f"no network of {first!r} and {second!r}")
    predicted = [
        CandidateNetwork({task: fmean(pairs[frozenset((task, other))][task] for other in group if other != task) for task in group})
        for size in range(3, len(tasks) + 1)
        for group in combinations(tasks, size)
    ]
    return (*small, *predicted)


def check_candidates(candidates: Sequence[CandidateNetwork]) -> tuple[str, ...]:
    """Check the candidates and return all tasks, in the order in which they first appear.

    Raises:
        DataError: There are no tasks, a loss is not finite, or a cost is not finite and above 0.
    """
    tasks = tuple(dict.fromkeys(task for candidate in candidates for task in candidate.losses))
    if not tasks:
        raise DataError("at least one network with a task is needed", where="candidates", found=f"{len(candidates)} networks without tasks")
    for candidate in candidates:
        where = f"network {' + '.join(candidate.tasks)}"
        if not all(isfinite(loss) for loss in candidate.losses.values()):
            raise DataError("losses must be finite numbers", where=where, found=dict(candidate.losses))
        if not (isfinite(candidate.cost) and candidate.cost > 0):
            raise DataError("the cost of a network must be a finite number above 0", where=where, found=candidate.cost)
    return tasks
