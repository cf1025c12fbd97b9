"""The best networks within a budget, by dynamic programming over sets of tasks.

A set of tasks is a number whose bits are the tasks. Whatever networks are chosen, the tasks fall into parts, one for each network that
predicts something; so the best choice is the best partition, each part predicted by the best of the networks that learn all of it:

    h_c(A) = min over networks S ⊇ A of cost c of Σ_{t ∈ A} L_t(S)
    f_b(M) = min over c ≤ b and A ⊆ M with the first task of M of h_c(A) + f_{b − c}(M ∖ A),    f_b(∅) = 0

Both take 3^T steps, in which it does not matter how many networks there are.
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
"""Costs are taken as multiples of a common part that is no finer than a thousandth of a network."""


def best_partition(candidates: Sequence[CandidateNetwork], tasks: Sequence[str], budget: float, *, overlap: bool = True) -> Grouping | None:
    """The networks with the smallest total loss within the budget; None where no choice predicts all tasks.

    Args:
        candidates: The networks to choose from.
        tasks: All tasks, some twelve at most.
        budget: What the chosen networks may cost together.
        overlap: Whether a network may learn tasks that another one predicts.
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
    """The largest cost of which all others are multiples, and how many times it each of them is."""
    exact = [max(Fraction(cost).limit_denominator(COST_RESOLUTION), Fraction(1, COST_RESOLUTION)) for cost in costs]
    whole = reduce(lambda a, b: a * b // gcd(a, b), (cost.denominator for cost in exact))
    counts = [int(cost * whole) for cost in exact]
    common = reduce(gcd, counts)
    return Fraction(common, whole), [count // common for count in counts]


def _best_networks(
    candidates: Sequence[CandidateNetwork], units: Sequence[int], unit: int, places: Mapping[str, int], *, overlap: bool
) -> tuple[Floats, Ints]:
    """Of networks of one cost h (2^T,) and, per part, which network it is; the first of several."""
    best = np.full(1 << len(places), np.inf)
    which = np.full(len(best), -1, dtype=np.int64)
    for number, candidate in enumerate(candidates):
        if units[number] == unit:
            parts, totals = np.zeros(1, dtype=np.int64), np.zeros(1)
            for task, loss in candidate.losses.items():
                parts = np.concatenate([parts, parts | (1 << places[task])])
                totals = np.concatenate([totals, totals + loss])
            if not overlap:
                parts, totals = parts[-1:], totals[-1:]  # all of its tasks
            better = totals < best[parts]
            best[parts[better]], which[parts[better]] = totals[better], number
    return best, which


def _solve_subsets(hosts: Mapping[int, tuple[Floats, Ints]], tasks: int, affordable: int) -> tuple[Floats, NDArray[np.int64]]:
    """f (B + 1, 2^T), and per budget and set the cost and the part (B + 1, 2^T, 2) that are taken first."""
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
    """Every part of a set that has its first task."""
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
    """The partition that was found, followed back from its end."""
    (budget, total), whole = end, (1 << len(tasks)) - 1
    chosen: list[int] = []
    served_by: dict[str, int] = {}
    while whole:
        cost, part = (int(value) for value in taken[budget, whole])
        network = int(hosts[cost][1][part])
        if network not in chosen:  # one network may be the best for two parts
            chosen.append(network)
        served_by |= {task: chosen.index(network) for place, task in enumerate(tasks) if part >> place & 1}
        budget, whole = budget - cost, whole ^ part
    networks = tuple(candidates[number].tasks for number in chosen)
    return Grouping(networks, {task: served_by[task] for task in tasks}, total, total, tuple(chosen))
