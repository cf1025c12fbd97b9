"""What to ship: the advice of the verdict with the costs and the stakes of a study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from polytask.options.verdict_options.tolerance import Tolerance
from polytask.run_files import ArmCost, Recommendation
from polytask.studies.results.conclude_study import has_unclear_claim
from polytask.studies.results.recommendation import advise_study, is_cheaper, recommendation_record
from polytask.studies.spec.arms import ResolvedArm, parse_arm
from polytask.verdicts import ArmSummary, ArmVerdict, Decision, PooledVerdict, SeedPlan, TaskVerdict, Verdict
from polytask.verdicts.advice import shrunk
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.power import PowerAnalysis

NAMES = ("a", "b", "c")


def arm_cost(*figures: float) -> ArmCost:
    """Figures in the order of the file."""
    return ArmCost.model_validate(dict(zip(ArmCost.model_fields, figures, strict=False)))


SINGLE = arm_cost(3, 3_000, 600, 0, 0, 3.0, 30.0, 300.0, 10.0, 0)
SMALL = arm_cost(1, 1_200, 250, 1_000, 350, 1.0, 10.0, 100.0, 10.0, 0)
LARGE = arm_cost(1, 9_000, 900, 8_000, 0, 4.0, 10.0, 100.0, 10.0, 0)
MARGIN = 0.01
SIZE = {"helps": (0.03, 0.008), "hurts": (-0.03, 0.008), "same": (0.0, 0.004), "unclear": (0.004, 0.02)}
"""Difference and half-width of the interval."""


def decision(word: str, difference: float, half: float) -> Decision:
    power = PowerAnalysis(9, 30, None, 0.02, half) if word == "unclear" else None
    return Decision(word, (difference - half, difference + half), 0.5, 0.5, 0.5, power)


def verdict_of(words: str, arm: str = "equal", pooled: tuple[float, float] | None = None) -> Verdict:
    """A verdict with these words; the mean over tasks has these margins and half-width, by default those of independent tasks."""
    tasks, sizes = {}, [SIZE[word] for word in words.split()]
    for name, word in zip(NAMES, words.split(), strict=True):
        difference, half = SIZE[word]
        one = ArmVerdict(0.9 + difference, difference, 1.0, 4.0, half / 3, adjusted=True, decision=decision(word, difference, half))
        tasks[name] = TaskVerdict(
            "binary", "accuracy", higher_is_better=True, margin=MARGIN, units=1_000, train_units=None, single=(0.9, 0.01), arms={arm: one}
        )
    mean = sum(difference for difference, _ in sizes) / 3 / MARGIN
    center, half = pooled or (mean, sum(half**2 for _, half in sizes) ** 0.5 / 3 / MARGIN)
    word = "helps" if center > half else "hurts" if center < -half else "unclear"
    summary = ArmSummary(None, None, PooledVerdict(center, half / 3, adjusted=True, decision=decision(word, center, half)))
    return Verdict("single", arm, (0, 1, 2, 3, 4), SeedPlan.of((5,)), 1, tasks, {arm: summary}, ())


def recommended(words: str, cost: ArmCost = SMALL, protect: tuple[str, ...] = (), tolerate: str = "0.5") -> Recommendation:
    arm = parse_arm("equal", NAMES)
    found = advise_study(verdict_of(words), arm, {"single": SINGLE, "equal": cost}, protect, tolerate)
    return recommendation_record(found, arm.groups, NAMES)


@pytest.mark.parametrize(
    ("words", "cost", "protect", "level"),
    [
        ("helps helps helps", SMALL, (), "together, shown"),
        ("same same same", SMALL, (), "together, shown"),  # nothing is lost, and two networks are saved
        ("same same same", LARGE, (), "separately, likely"),  # nothing is gained
        ("unclear unclear unclear", SMALL, (), "together, likely"),
        ("helps hurts same", SMALL, (), "together, likely"),
        ("hurts hurts hurts", SMALL, (), "separately, shown"),
        ("hurts hurts helps", SMALL, (), "separately, likely"),
        ("helps helps helps", LARGE, ("a",), "together, shown"),
        ("helps unclear helps", SMALL, ("b",), "separately, likely"),  # b may lose more than half a margin
        ("helps hurts helps", SMALL, ("b",), "separately, shown"),
    ],
)  # fmt: skip
def test_utility_and_protection_decide(words: str, cost: ArmCost, protect: tuple[str, ...], level: str) -> None:
    found = recommended(words, cost, protect)
    assert found.level == level
    assert found.arm == ("equal" if level.startswith("together") else "single")
    assert found.groups == ((NAMES,) if found.arm == "equal" else (("a",), ("b",), ("c",)))
    assert len(found.headline.split()) <= 12
    assert all(line.endswith(".") and "\n" not in line for line in (found.headline, found.risk, found.cost, found.next_step))


def test_a_larger_tolerance_frees_a_protected_task() -> None:
    assert recommended("helps unclear helps", protect=("b",)).level == "separately, likely"
    assert recommended("helps unclear helps", protect=("b",), tolerate="2").level == "together, shown"
    assert recommended("helps unclear helps", protect=("b",), tolerate="2%").level == "together, shown"


def test_the_worst_case_stands_beside_the_advice() -> None:
    found = recommended("helps unclear same")
    assert found.worst == pytest.approx({"a": 0.022, "b": -0.016, "c": -0.004})
    assert found.risk == (
        "On average over seeds, at worst: b loses 1.6 points, c loses 0.40 points and a still gains 2.2 points (95 % interval)."
    )
    assert found.next_step == "To settle b: 9 to 30 seeds in all, 4 or more of them new."
    assert found.more_seeds == 4
    assert found.cost.startswith("Saved: one network instead of 3, 1.2 k instead of 3 k parameters")


def test_what_costs_the_same_is_left_out() -> None:
    found = recommended("helps same same", arm_cost(1, 1_200, 600, 1_000, 350, 1.0, 10.0, 100.0, 10.0, 0))
    assert "1.2 k instead of 3 k parameters; counted as" in found.cost


def test_looks_that_disagree_risk_what_any_of_them_found() -> None:
    found, arm = verdict_of("helps same unclear"), parse_arm("equal", NAMES)
    one = found.tasks["c"].arms["equal"]
    apart = replace(one, decision=replace(one.decision, interval=(0.027, 0.002), hull=(-0.031, 0.04)))
    found = replace(found, tasks={**found.tasks, "c": replace(found.tasks["c"], arms={"equal": apart})})
    costs = {"single": SINGLE, "equal": SMALL}
    assert advise_study(found, arm, costs).advice.worst["c"] == -0.031
    assert advise_study(found, arm, costs, protect=("c",)).advice.at_risk == ("c",)


@pytest.mark.parametrize(
    ("cost", "tolerate", "starts", "ends"),
    [
        (SMALL, "0.5", "Saved: ", "; counted as 0.5 margins per task (--tolerate 0.5)."),
        (SMALL, "1%", "Saved: ", " margins per task (--tolerate 1%)."),
        (SMALL, "0", "Saved: ", "; counted as nothing, since no loss is tolerated for it."),
        (LARGE, "0.5", "Cost: ", "; counted as nothing, since it is not cheaper."),
    ],
)
def test_the_cost_says_what_it_counts_and_why(cost: ArmCost, tolerate: str, starts: str, ends: str) -> None:
    found = recommended("helps helps helps", cost, tolerate=tolerate)
    assert (found.cost.startswith(starts), found.cost.endswith(ends)) == (True, True)
    assert Tolerance.parse(found.tolerate) == Tolerance.parse(tolerate)
    assert "--tolerate" not in verdict_of("helps helps helps").recommend().sentences.cost


def test_an_unclear_mean_over_tasks_is_settled_as_well() -> None:
    found = verdict_of("same same same", pooled=(0.4, 2.0))
    assert list(found.unclear("equal")) == ["the mean over tasks"]
    assert has_unclear_claim(found)
    assert found.recommend().sentences.next_step == "To settle the mean over tasks: 9 to 30 seeds in all, 4 or more of them new."
    assert not has_unclear_claim(verdict_of("same same same", pooled=(3.0, 1.0)))


def test_a_task_that_is_measured_badly_counts_as_much_as_the_others() -> None:
    """Two tasks gain little and one loses 12 margins with a large error: the mean decides, not the mean of what each error lets through."""
    found = verdict_of("same same unclear", pooled=(-4.0, 4.2))
    one = found.tasks["c"].arms["equal"]
    wide = replace(one, difference=-0.12, standard_error=0.042, decision=decision("unclear", -0.12, 0.126))
    found = replace(found, tasks={**found.tasks, "c": replace(found.tasks["c"], arms={"equal": wide})})
    each = [shrunk(difference, error).item() for difference, error in ((0.0, 0.13), (0.0, 0.13), (-12.0, 4.2))]
    advice = found.recommend().advice
    seeds = len(found.seeds)
    assert advice.utility == pytest.approx(0.5 - 4.0 * max(4 / 3, 0.7**2 * seeds * 1.4**2) / (max(4 / 3, 0.7**2 * seeds * 1.4**2) + 1.4**2))
    assert (advice.level, advice.utility < 0) == ("separately, likely", True)
    assert advice.utility < 0.5 + sum(each) / 3


def test_one_mean_is_shrunk_as_its_equal_tasks_would_be() -> None:
    ratios = np.array([-3.0, 1.0, 2.5])
    assert shrunk(ratios.mean(), 0.7 / 3**0.5, tasks=3) == pytest.approx(shrunk(ratios, 0.7).mean())


def test_groups_are_recommended_as_they_were_made() -> None:
    arm = ResolvedArm("grouped", (("a", "c"), ("b",)), max_groups=2)
    found = advise_study(verdict_of("helps same helps", "grouped"), arm, {"single": SINGLE, "grouped": SMALL})
    record = recommendation_record(found, arm.groups, NAMES)
    assert record.groups == (("a", "c"), ("b",))
    assert record.headline == "Train a, b and c in 2 groups: shown to pay."
    assert record.saving == pytest.approx(0.25)  # one of two networks is saved


def test_of_models_of_unknown_size_fewer_are_cheaper() -> None:
    one, three = (of_unknown_size(cost) for cost in (SMALL, SINGLE))
    assert [is_cheaper(one, three), is_cheaper(three, three)] == [True, False]
    found = advise_study(verdict_of("same same same"), parse_arm("equal", NAMES), {"single": three, "equal": one})
    assert found.headline == "Train a, b and c together: shown as good, and cheaper."
    assert found.sentences.cost == "Saved: one network instead of 3; counted as 0.5 margins per task (--tolerate 0.5)."


def of_unknown_size(cost: ArmCost) -> ArmCost:
    """The cost of a training function."""
    return cost.model_copy(update=dict.fromkeys(("parameters", "multiply_adds", "shared_parameters", "saved_multiply_adds")))


def test_fewer_parameters_or_operations_are_cheaper() -> None:
    assert [is_cheaper(cost, SINGLE) for cost in (SMALL, LARGE, SINGLE)] == [True, False, False]


def test_an_exact_tie_is_no_advantage() -> None:
    rows = [
        (arm, seed, task, unit, unit % 2, (unit + seed) % 2)
        for arm in ("single", "equal")
        for seed in range(5)
        for task in "ab"
        for unit in range(40)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])
    found = verdict(frame).recommend(tolerate=0)
    assert (found.advice.utility, found.advice.level) == (0.0, "separately, likely")
    assert found.headline == "Train a and b separately: as good as together, not shown."
