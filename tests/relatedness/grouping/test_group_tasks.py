"""Choices are compared with enumeration, and told how far from the best they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError
from polytask.relatedness.grouping import CandidateNetwork, choose_networks, group_by_affinity, predict_from_pairs
from polytask.relatedness.grouping.local_search import search_partition
from polytask.relatedness.grouping.mixed_integer_program import best_selection


def by_enumeration(candidates: Sequence[CandidateNetwork], budget: float) -> float:
    """The smallest total over every set of networks within the budget."""
    tasks = {task for candidate in candidates for task in candidate.losses}
    best = np.inf
    for size in range(1, len(candidates) + 1):
        for chosen in combinations(candidates, size):
            if sum(candidate.cost for candidate in chosen) <= budget + 1e-9:
                losses = [min((c.losses[task] for c in chosen if task in c.losses), default=np.inf) for task in tasks]
                best = min(best, float(np.sum(losses)))
    return best


def candidates_of(random: np.random.Generator, tasks: int) -> list[CandidateNetwork]:
    """Some of the networks of so many tasks, with costs of halves, thirds and wholes; every task is in one."""
    names = [f"t{number}" for number in range(tasks)]
    groups = [group for size in range(1, tasks + 1) for group in combinations(names, size)]
    kept = [groups[place] for place in random.permutation(len(groups))[:8]] + [tuple(names)]
    costs = random.choice([0.5, 1.0, 4 / 3, 1.5], size=len(kept))
    return [
        CandidateNetwork(dict(zip(group, random.normal(size=len(group)).tolist(), strict=True)), float(c))
        for group, c in zip(kept, costs, strict=True)
    ]


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.4, 5))
def test_the_choice_is_the_best_of_all(seed: int, tasks: int, budget: float) -> None:
    candidates = candidates_of(np.random.default_rng(seed), tasks)
    best = by_enumeration(candidates, budget)
    if not np.isfinite(best):
        with pytest.raises(ConfigError, match="no choice of networks"):
            choose_networks(candidates, budget)
        return
    found = choose_networks(candidates, budget)
    assert found.total == pytest.approx(best, abs=1e-12)
    assert sum(candidates[number].cost for number in found.chosen) <= budget + 1e-9
    assert found.total == pytest.approx(sum(candidates[found.chosen[n]].losses[task] for task, n in found.served_by.items()), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 3))
@settings(max_examples=settings.default.max_examples // 2)
def test_without_overlap_groups_are_the_best_partition(seed: int, tasks: int, groups: int) -> None:
    affinity = np.random.default_rng(seed).normal(size=(tasks, tasks))
    names = [f"t{number}" for number in range(tasks)]
    found = group_by_affinity(affinity, names, groups, affinity_alone=-1.0, overlap=False)
    assert -found.total == pytest.approx(-min(_total(affinity, members) for members in np.ndindex(*[groups] * tasks)), abs=1e-9)
    assert sorted(task for network in found.networks for task in network) == names
    assert found.groups == found.networks


@given(st.integers(0, 10_000), st.floats(1.5, 5))
@settings(max_examples=settings.default.max_examples // 4)
def test_the_program_for_many_tasks_finds_the_same(seed: int, budget: float) -> None:
    candidates = candidates_of(np.random.default_rng(seed), 4)
    tasks = tuple(dict.fromkeys(task for candidate in candidates for task in candidate.losses))
    found = best_selection(candidates, tasks, budget)
    assert found is not None
    assert found.total == pytest.approx(choose_networks(candidates, budget).total, abs=1e-7)
    assert found.bound <= found.total + 1e-7
    whole = best_selection(candidates, tasks, budget, overlap=False)
    assert whole is not None
    assert whole.total == pytest.approx(choose_networks(candidates, budget, overlap=False).total, abs=1e-7)


def test_fifteen_tasks_are_chosen_for_by_the_program() -> None:
    names = [f"t{number}" for number in range(15)]
    blocks = [names[:5], names[5:10], names[10:]]
    candidates = [CandidateNetwork(dict.fromkeys(names, 1.0)), *(CandidateNetwork(dict.fromkeys(block, 0.5)) for block in blocks)]
    assert choose_networks(candidates, 3).groups == tuple(map(tuple, blocks))
    assert choose_networks(candidates, 2).total == 15.0 - 2.5  # one block, and the rest in the network for all


def test_twelve_tasks_are_grouped_exactly() -> None:
    affinity = np.random.default_rng(0).normal(size=(12, 12))
    assert group_by_affinity(affinity, [f"t{number}" for number in range(12)], 4).gap == 0


@pytest.mark.parametrize("groups", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_local_search_is_near_the_best_partition_and_its_bound_holds(groups: int) -> None:
    for seed in range(10):
        affinity = np.random.default_rng(seed).normal(size=(7, 7))
        names = [f"t{number}" for number in range(7)]
        best = -min(_total(affinity, members) for members in np.ndindex(*[groups] * 7))
        found = search_partition(affinity, names, groups, affinity_alone=-1.0)
        assert -found.total == pytest.approx(best, abs=1e-9)
        assert -found.bound >= best - 1e-9


def _total(affinity: np.ndarray, members: tuple[int, ...]) -> float:
    total = 0.0
    for task, group in enumerate(members):
        others = [other for other, own in enumerate(members) if own == group and other != task]
        total -= affinity[others, task].mean() if others else -1.0
    return total


@pytest.mark.parametrize("tasks", [6, 9, pytest.param(12, marks=pytest.mark.slow), 13, 20])
def test_planted_groups_are_found(tasks: int) -> None:
    random = np.random.default_rng(tasks)
    planted = np.arange(tasks) % 3
    for _ in range(5):
        affinity = np.where(planted[:, None] == planted, 0.3, -0.1) + 0.1 * random.normal(size=(tasks, tasks))
        found = group_by_affinity(affinity, [str(number) for number in range(tasks)], max_groups=3)
        wanted = {frozenset(str(place) for place in np.flatnonzero(planted == group)) for group in range(3)}
        assert set(map(frozenset, found.groups)) == wanted


def test_a_task_may_be_alone_where_that_is_allowed() -> None:
    affinity = np.array([[0.0, 0.4, -0.5], [0.3, 0.0, -0.4], [-0.2, -0.3, 0.0]])
    assert group_by_affinity(affinity, "abc", 2, affinity_alone=0.0).networks == (("a", "b"), ("c",))
    assert all(len(network) > 1 for network in group_by_affinity(affinity, "abc", 2).networks)
    assert group_by_affinity(affinity, "abc", 1).networks == (("a", "b", "c"),)


def test_one_task_is_a_group() -> None:
    assert group_by_affinity(np.zeros((1, 1)), ["a"], 3).groups == (("a",),)


@given(st.integers(0, 1_000), st.integers(2, 5))
@settings(max_examples=settings.default.max_examples // 4)
def test_a_larger_budget_is_never_worse(seed: int, tasks: int) -> None:
    affinity = np.random.default_rng(seed).normal(size=(tasks, tasks))
    totals = [group_by_affinity(affinity, [str(n) for n in range(tasks)], groups).total for groups in range(1, tasks + 1)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(totals))


def test_names_and_order_decide_nothing() -> None:
    affinity = np.random.default_rng(3).normal(size=(6, 6))
    order = np.array([4, 1, 5, 0, 3, 2])
    first = group_by_affinity(affinity, list("abcdef"), 3)
    second = group_by_affinity(affinity[np.ix_(order, order)], ["abcdef"[place] for place in order], 3)
    assert first.total == pytest.approx(second.total, abs=1e-12)
    assert set(map(frozenset, first.networks)) == set(map(frozenset, second.networks))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: choose_networks([], 1), DataError, "at least one network with a task"),
        (lambda: choose_networks([CandidateNetwork({"a": float("nan")})], 1), DataError, "network a: losses must be finite"),
        (
            lambda: choose_networks([CandidateNetwork({"a": 1.0}, cost=0.0)], 1),
            DataError,
            "cost of a network must be a finite number above 0",
        ),
        (lambda: choose_networks([CandidateNetwork({"a": 1.0})], 0), ConfigError, "budget: no choice"),
        (lambda: choose_networks([CandidateNetwork({"a": 1.0}), CandidateNetwork({"b": 1.0})], 1), ConfigError, "budget: no choice"),
        (lambda: predict_from_pairs([CandidateNetwork({"a": 1.0, "b": 1.0})], "abc"), DataError, "no network of 'a' and 'c'"),
        (lambda: group_by_affinity(np.zeros((2, 3)), "ab", 1), DataError, "shape"),
        (lambda: group_by_affinity(np.zeros((0, 0)), "", 1), DataError, "shape"),
        (lambda: group_by_affinity(np.full((2, 2), np.nan), "ab", 1), DataError, "affinity of 'a' onto 'b'"),
        (lambda: group_by_affinity(np.zeros((2, 2)), "ab", 0), ConfigError, "at least one group"),
    ],
)
def test_what_cannot_be_grouped_is_said(call: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()
