"""Optimal choice of networks within a budget, by dynamic programming over sets of tasks.

A set of tasks is an integer with one bit per task. Any choice of networks partitions the tasks by the network that predicts them, so the
best choice is the best partition, with each part predicted by the best of the networks that learn all of it:

    h_c(A) = min over networks S ⊇ A of cost c of Σ_{t ∈ A} L_t(S)
    f_b(M) = min over c ≤ b and A ⊆ M with the first task of M of h_c(A) + f_{b − c}(M ∖ A),    f_b(∅) = 0

h takes 3^T steps if every set of tasks is a candidate; f takes 3^T steps per budget and cost, whatever the number of candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import floor, gcd

import numpy as np
from numpy.typing import NDArray

from polytask.relatedness.grouping.candidate_networks import CandidateNetwork, Grouping

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COST_RESOLUTION = 1_000
"""Costs are rounded to fractions with denominators up to this number."""


def best_partition(candidates: Sequence[CandidateNetwork], tasks: Sequence[str], budget: float, *, overlap: bool = True) -> Grouping | None:
    """Choose the networks with the smallest total loss within the budget.

    Args:
        candidates: Networks to choose from.
        tasks: All tasks, at most about twelve.
        budget: Maximum total cost of the chosen networks.
        overlap: Whether a network may learn tasks that another network predicts.

    Returns:
        The optimal choice; None if no choice within the budget predicts all tasks.
    """
    part, units = _common_cost_unit([candidate.cost for candidate in candidates])
    affordable = min(floor(Fraction(budget).limit_denominator(COST_RESOLUTION) / part), len(tasks) * max(units))
    places = {task: place for place, task in enumerate(tasks)}
    hosts = {unit: _best_networks(candidates, units, unit, places, overlap=overlap) for unit in sorted(set(units))}
    found, taken = _solve_subsets(hosts, len(tasks), affordable)
    if affordable < 1 or not np.isfinite(found[affordable, -1]):
        return None
    return _trace_back(candidates, hosts, taken, tasks, (affordable, float(found[affordable, -1])))


def _common_cost_unit(costs: Sequence[float]) -> tuple[Fraction, list[int]]:
    """Return the largest unit of which all costs are integer multiples, and each cost in this unit."""
    exact = [max(Fraction(cost).limit_denominator(COST_RESOLUTION), Fraction(1, COST_RESOLUTION)) for cost in costs]
    whole = reduce(lambda a, b: a * b // gcd(a, b), (cost.denominator for cost in exact))
    counts = [int(cost * whole) for cost in exact]
    common = reduce(gcd, counts)
    return Fraction(common, whole), [count // common for count in counts]


def _best_networks(
    candidates: Sequence[CandidateNetwork], units: Sequence[int], unit: int, places: Mapping[str, int], *, overlap: bool
) -> tuple[Floats, Ints]:
    """Return h (2^T,) for networks of one cost, and per part the index of the best network; the first one of several equally good."""
    best = np.full(1 << len(places), np.inf)
    which = np.full(len(best), -1, dtype=np.int64)
    for number, candidate in enumerate(candidates):
        if units[number] == unit:
            parts, totals = np.zeros(1, dtype=np.int64), np.zeros(1)
            for task, loss in candidate.losses.items():
                parts = np.concatenate([parts, parts | (1 << places[task])])
                totals = np.concatenate([totals, totals + loss])
            if not overlap:
                parts, totals = parts[-1:], totals[-1:]  # the last subset is the whole network
            better = totals < best[parts]
            best[parts[better]], which[parts[better]] = totals[better], number
    return best, which


def _solve_subsets(hosts: Mapping[int, tuple[Floats, Ints]], tasks: int, affordable: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return f (B + 1, 2^T), and the cost and the part (B + 1, 2^T, 2) that are split off first for each budget and set."""
    sets = 1 << tasks
    found = np.full((affordable + 1, sets), np.inf)
    found[:, 0] = 0.0
    taken = np.zeros((affordable + 1, sets, 2), dtype=np.int64)
    for whole in range(1, sets):
        parts = _subsets_with_first(whole)
        for budget in range(1, affordable + 1):
            for cost, (best, _) in hosts.items():
                if cost <= budget:
                    totals = best[parts] + found[budget - cost, whole ^ parts]
                    place = int(totals.argmin())
                    if totals[place] < found[budget, whole]:
                        found[budget, whole], taken[budget, whole] = totals[place], (cost, parts[place])
    return found, taken


def _subsets_with_first(whole: int) -> Ints:
    """Return all subsets of a set that contain its first task."""
    first = whole & -whole
    parts = np.array([first], dtype=np.int64)
    rest = whole ^ first
    while rest:
        bit = rest & -rest
        parts = np.concatenate([parts, parts | bit])
        rest ^= bit
    return parts


def _trace_back(
    candidates: Sequence[CandidateNetwork],
    hosts: Mapping[int, tuple[Floats, Ints]],
    taken: NDArray[np.int64],
    tasks: Sequence[str],
    end: tuple[int, float],
) -> Grouping:
    """Reconstruct the optimal partition from the recorded decisions, starting from the set of all tasks."""
    (budget, total), whole = end, (1 << len(tasks)) - 1
    chosen: list[int] = []
    served_by: dict[str, int] = {}
    while whole:
        cost, part = (int(value) for value in taken[budget, whole])
        network = int(hosts[cost][1][part])
        if network not in chosen:  # a network may be the best for two parts
            chosen.append(network)
        served_by |= {task: chosen.index(network) for place, task in enumerate(tasks) if part >> place & 1}
        budget, whole = budget - cost, whole ^ part
    networks = tuple(candidates[number].tasks for number in chosen)
    return Grouping(networks, {task: served_by[task] for task in tasks}, total, total, tuple(chosen))
