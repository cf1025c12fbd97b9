"""Networks that could be trained, and a choice among them."""

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
        losses: Per task that it learns what its loss is, or would be: less is better, on one scale for all tasks.
        cost: In networks of the usual size.
    """

    losses: Mapping[str, float]
    cost: float = 1.0

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it learns."""
        return tuple(self.losses)


@dataclass(frozen=True)
class Grouping:
    """Networks that together predict all tasks.

    Attributes:
        networks: Of each the tasks that are trained in it; a task may be trained in several.
        served_by: Per task the number of the network that predicts it.
        total: The sum over the tasks of the loss in the network that predicts it.
        bound: No choice within the budget has a smaller total; equal to it where the choice is known to be the best.
        chosen: Of each network its number among those that there were to choose from; none where groups were made without a list.
    """

    networks: tuple[tuple[str, ...], ...]
    served_by: Mapping[str, int]
    total: float
    bound: float
    chosen: tuple[int, ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Per network the tasks that it predicts."""
        return tuple(tuple(task for task, number in self.served_by.items() if number == network) for network in range(len(self.networks)))

    @property
    def gap(self) -> float:
        """How far the total may be from the best one; 0 where it is the best."""
        return self.total - self.bound

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "networks": [list(network) for network in self.networks],
            "groups": [list(group) for group in self.groups],
            "total": self.total,
            "gap": self.gap,
        }


def predict_from_pairs(measured: Sequence[CandidateNetwork], tasks: Sequence[str]) -> tuple[CandidateNetwork, ...]:
    """Every network of up to all tasks, those of three and more predicted from the pairs (Standley et al., ICML 2020, section 4.4).

        L_t(S) = mean over u ∈ S, u ≠ t, of L_t({t, u})

    Args:
        measured: Networks of one and of two tasks; larger ones are left aside, since the point is to do without them.
        tasks: All tasks; T of them make 2^T − 1 networks.

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
            raise DataError("every pair of tasks is needed", where="pairs", found=f"none of {first!r} and {second!r}")
    predicted = [
        CandidateNetwork({task: fmean(pairs[frozenset((task, other))][task] for other in group if other != task) for task in group})
        for size in range(3, len(tasks) + 1)
        for group in combinations(tasks, size)
    ]
    return (*small, *predicted)


def check_candidates(candidates: Sequence[CandidateNetwork]) -> tuple[str, ...]:
    """All tasks, in the order in which they first appear.

    Raises:
        DataError: There are none; a loss or a cost is no number, or a cost is not above 0.
    """
    tasks = tuple(dict.fromkeys(task for candidate in candidates for task in candidate.losses))
    if not tasks:
        raise DataError("there is nothing to group", where="candidates", found=f"{len(candidates)} networks without tasks")
    for candidate in candidates:
        where = f"network {' + '.join(candidate.tasks)}"
        if not all(isfinite(loss) for loss in candidate.losses.values()):
            raise DataError("losses are finite numbers", where=where, found=dict(candidate.losses))
        if not (isfinite(candidate.cost) and candidate.cost > 0):
            raise DataError("a network costs more than nothing", where=where, found=candidate.cost)
    return tasks
