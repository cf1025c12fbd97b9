"""Halving, the points that are tried, and what a choice changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry import Range, specs_of
from polytask.studies.spec.arms import ResolvedArm, parse_arm
from polytask.studies.tuning.search_algorithm import HaltonSearch, OptunaSearch
from polytask.studies.tuning.search_space import apply_settings, search_space
from polytask.studies.tuning.successive_halving import DIVERGED, EpochScores, Trial, rank_trials, run_successive_halving, rungs

TASKS = ("a", "b")


def candidates(count: int, arm: str = "equal") -> list[Trial]:
    return [Trial(parse_arm(arm, TASKS), trial, {}, 7, (TASKS,)) for trial in range(1, count + 1)]


@given(st.integers(1, 200), st.integers(1, 300), st.integers(0, 300))
def test_rounds_shrink_and_budgets_grow_to_the_whole(count: int, usual: int, more: int) -> None:
    plan = rungs(count, usual, usual + more)
    assert plan[0][0] == count
    assert plan[-1][1] == usual + more
    assert all(short <= usual for _, short in plan[:-1])
    assert plan[-1][0] <= 2
    for (before, short), (after, long) in pairwise(plan):
        assert after < before
        assert 1 <= short <= long


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30, unique=True), st.integers(1, 90))
def test_where_scores_do_not_change_the_best_wins(scores: list[float], epochs: int) -> None:
    entries = candidates(len(scores))

    def run(trials: Sequence[Trial], _: Sequence[int]) -> list[list[float]]:
        return [[scores[one.trial - 1]] for one in trials]

    found = run_successive_halving({"only": entries}, epochs, run)
    assert [one.candidate for one in found] == entries
    best = rank_trials(found)[0]
    assert best.score == max(scores)
    assert best.epochs == epochs


def test_brackets_take_their_rounds_together() -> None:
    calls: list[list[tuple[int, int]]] = []

    def run(trials: Sequence[Trial], epochs: Sequence[int]) -> list[list[float]]:
        calls.append([(one.trial, epoch) for one, epoch in zip(trials, epochs, strict=True)])
        return [[float(one.trial)] * epoch for one, epoch in zip(trials, epochs, strict=True)]

    run_successive_halving({"long": candidates(7), "short": candidates(2, "uncertainty")}, 9, run)
    assert calls[0] == [(1, 9)]
    assert calls[1] == [*[(trial, 1) for trial in range(1, 8)], (1, 9), (2, 9)]
    assert calls[2:] == [[(7, 3), (6, 3), (5, 3)], [(7, 9)]]


def test_rounds_are_shares_of_what_the_first_candidate_took() -> None:
    reached: list[tuple[int, int]] = []

    def run(trials: Sequence[Trial], epochs: Sequence[int]) -> list[list[float]]:
        reached.extend((one.trial, epoch) for one, epoch in zip(trials, epochs, strict=True))
        return [[float(one.trial)] * min(epoch, 27) for one, epoch in zip(trials, epochs, strict=True)]

    found = run_successive_halving({"only": candidates(7)}, 200, run)
    assert reached == [(1, 200), *[(trial, 3) for trial in range(1, 8)], (7, 9), (6, 9), (5, 9), (7, 200)]
    assert rank_trials(found)[0].candidate.trial == 7


def test_who_runs_ahead_is_judged_by_what_it_was_at_the_round() -> None:
    def run(trials: Sequence[Trial], epochs: Sequence[int]) -> list[list[float]]:
        late = [0.0] * 8 + [1.0]
        return [(late if one.trial == 1 else [0.5] * 9)[:epoch] for one, epoch in zip(trials, epochs, strict=True)]

    found = run_successive_halving({"only": candidates(7)}, 9, run)
    assert (found[0].epochs, found[0].score) == (1, 0.0)


def test_what_diverged_never_goes_on_before_what_did_not() -> None:
    def run(trials: Sequence[Trial], _: Sequence[int]) -> list[EpochScores]:
        return [DIVERGED if one.trial < 6 else [0.1] for one in trials]

    found = run_successive_halving({"only": candidates(6)}, 9, run)
    assert rank_trials(found)[0].candidate.trial == 6


def test_points_fill_the_space_and_begin_beside_the_middle() -> None:
    space = [Range("lr", 1e-4, 1e-2, log=True), Range("c", 0.0, 1.0)]
    first, second = HaltonSearch(space), HaltonSearch(space)
    whole = first.ask(16)
    assert whole == second.ask(5) + second.ask(11)
    for low in range(4):
        assert sum(low / 4 <= point["c"] < (low + 1) / 4 for point in whole) >= 3
        assert sum(10 ** (-4 + low / 2) <= point["lr"] < 10 ** (-4 + (low + 1) / 2) for point in whole) >= 3
    assert HaltonSearch([]).ask(2) == [{}, {}]


def test_optuna_learns_where_the_best_is() -> None:
    pytest.importorskip("optuna")

    def best(seed: int) -> list[float]:
        search = OptunaSearch([Range("x", 0.0, 1.0)], seed)
        for _ in range(15):
            for settings in search.ask(2):
                search.tell(settings, -((settings["x"] - 0.8) ** 2))
        return [settings["x"] for settings in search.ask(3)]

    assert best(0) == best(0)
    assert sum(abs(x - 0.8) for x in best(0)) / 3 < 0.15


def test_a_failed_try_is_no_news_to_optuna() -> None:
    pytest.importorskip("optuna")
    search = OptunaSearch([Range("x", 0.0, 1.0)], 0)
    (settings,) = search.ask(1)
    search.tell(settings, float("-inf"))
    assert search.ask(1)


def test_weights_are_scaled_to_the_mean_of_one() -> None:
    arm, options = apply_settings(parse_arm("weights=tuned", TASKS), TrainingOptions(), {"weight.a": 0.5, "weight.b": 1.5})
    assert arm.options["weights"] == {"a": 0.5, "b": 1.5}
    arm, _ = apply_settings(parse_arm("weights=tuned", TASKS), TrainingOptions(), {"weight.a": 1.0, "weight.b": 3.0})
    assert arm.options["weights"] == {"a": 0.5, "b": 1.5}
    assert options == TrainingOptions()


def test_weight_decay_goes_to_the_optimizer_beside_what_it_has() -> None:
    options = TrainingOptions(optimizer_options={"betas": [0.9, 0.99]})
    _, found = apply_settings(parse_arm("equal", TASKS), options, {"weight_decay": 0.01})
    assert found.optimizer_options == {"betas": [0.9, 0.99], "weight_decay": 0.01}


def test_what_an_arm_was_given_is_not_tuned() -> None:
    names = [own.name for own in search_space(parse_arm("famo(lr=0.1)", TASKS), TASKS, TrainingOptions(), ["balancer"])]
    assert names == ["balancer.gamma"]
    assert [own.name for own in search_space(parse_arm("single", TASKS), ["a"], TrainingOptions(), ["lr", "balancer"])] == ["lr"]


@pytest.mark.parametrize("row", [row for row in specs_of("balancer") if row.ranges], ids=lambda row: row.name)
def test_ranges_of_balancers_are_values_that_they_take(row: Any) -> None:
    from polytask.balancing.factory import balancer_named

    required = {"metabalance": {"target": "a"}}.get(row.name, {})
    for share in (0.0, 0.5, 1.0):
        settings = {f"balancer.{own.name}": own.at(share) for own in row.ranges}
        arm, _ = apply_settings(ResolvedArm(row.name, (TASKS,), row.name, required), TrainingOptions(), settings)
        balancer_named(arm.balancer, arm.options, dict.fromkeys(TASKS, 1.0))


@pytest.mark.parametrize(
    ("text", "tasks", "says"),
    [
        ("grouped", ["a", "b"], "grouping needs at least three tasks"),
        ("grouped(groups=3)", ["a", "b", "c"], "`groups` must be an integer from 2 to 2"),
        ("grouped(groups=1)", ["a", "b", "c"], "`groups` must be an integer from 2 to 2"),
        ("grouped(count=2)", ["a", "b", "c"], "`groups` is the only option"),
    ],
)
def test_groups_that_cannot_be_are_refused(text: str, tasks: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_arm(text, tasks)


def test_arms_know_what_may_be_chosen() -> None:
    joint = {name: parse_arm(name, ["a", "b", "c"]).is_joint for name in ("single", "trees", "equal", "grouped", "weights=tuned")}
    assert joint == {"single": False, "trees": False, "equal": True, "grouped": True, "weights=tuned": True}
