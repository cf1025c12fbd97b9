"""Words and intervals cannot disagree, and words stay."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.metrics import formatting
from polytask.verdicts.decision import Decision, Hypothesis, decide
from polytask.verdicts.estimates.crossed_anova import CrossedEstimate, MeanSquares, crossed_estimate
from polytask.verdicts.power import power_analysis
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL
from polytask.verdicts.spending.repeated_looks import RepeatedEstimate
from polytask.verdicts.spending.seed_plan import PLAN_SHARE, SeedPlan

if TYPE_CHECKING:
    from collections.abc import Sequence


def decided(family: Sequence[tuple[CrossedEstimate, float]]) -> tuple[Decision, ...]:
    """Decisions on tasks without a mean, at one look."""
    return decide([], [Hypothesis(RepeatedEstimate.once(study), margin) for study, margin in family])[1]


def level_of(error: float) -> float:
    """The level of the only look of a plan."""
    return PLAN_SHARE * error


@st.composite
def studies(draw: st.DrawFn) -> CrossedEstimate:
    """Any study: also without variance, or with an exact 0."""
    seeds, units = draw(st.integers(2, 12)), draw(st.integers(2, 500))
    difference = draw(st.sampled_from([0.0, 1e-9]) | st.floats(-5, 5))
    seed_variance, of_units = draw(st.sampled_from([0.0]) | st.floats(1e-6, 2)), draw(st.sampled_from([0.0]) | st.floats(1e-6, 2))
    rest = draw(st.floats(0, 1)) * seed_variance * seeds * units
    squares = MeanSquares(*map(np.float64, (difference, seed_variance * seeds * units, of_units * seeds * units + rest, rest)))
    return CrossedEstimate(difference, seeds, units, squares, seed_variance, of_units)


@settings(deadline=None)
@given(st.lists(st.tuples(studies(), st.floats(0, 3)), min_size=1, max_size=5))
def test_words_and_intervals_agree(family: list[tuple[CrossedEstimate, float]]) -> None:
    tasks = len(family)
    for (study, margin), decision in zip(family, decided(family), strict=True):
        low, high = decision.interval
        assert low <= study.difference <= high
        assert (decision.claim == "helps") == (low > 0)
        assert (decision.claim == "hurts") == (high < 0)
        fits = abs(study.difference) + study.half_width(level_of(2 * FAMILYWISE_LEVEL / tasks)) <= margin
        assert (decision.claim == "same") == (fits and low <= 0 <= high)
        assert (decision.power is None) == (decision.claim != "unclear")
        if abs(decision.p_adjusted - FAMILYWISE_LEVEL) > 1e-9:
            assert (decision.p_adjusted < FAMILYWISE_LEVEL) == (decision.claim in ("helps", "hurts"))
        if abs(decision.p_same - level_of(FAMILYWISE_LEVEL / tasks)) > 1e-9 and decision.claim not in ("helps", "hurts"):
            assert (decision.p_same < level_of(FAMILYWISE_LEVEL / tasks)) == (decision.claim == "same")
        # Never narrower than the interval of the task alone, nor wider than the simultaneous one.
        alone, together = study.half_width(level_of(FAMILYWISE_LEVEL)), study.half_width(level_of(FAMILYWISE_LEVEL / tasks))
        for half in (study.difference - low, high - study.difference):
            assert alone * (1 - 1e-9) - 1e-12 <= half <= together * (1 + 1e-9) + 1e-12


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.tuples(studies(), st.floats(0, 3)), min_size=1, max_size=4))
def test_flipping_the_sign_mirrors_everything(family: list[tuple[CrossedEstimate, float]]) -> None:
    mirrored = [(replace(study, difference=-study.difference), margin) for study, margin in family]
    swap = {"helps": "hurts", "hurts": "helps"}
    for one, other in zip(decided(family), decided(mirrored), strict=True):
        assert other.claim == swap.get(one.claim, one.claim)
        assert other.interval == (-one.interval[1], -one.interval[0])
        assert (other.p, other.p_adjusted, other.p_same) == (one.p, one.p_adjusted, one.p_same)


def spread(difference: float, error: float, seeds: int = 10, units: int = 1_000) -> CrossedEstimate:
    """A study where only units matter, with that standard error."""
    square = error**2 * seeds * units
    return CrossedEstimate(difference, seeds, units, MeanSquares(*map(np.float64, (difference, 0, square, 0))), 0.0, error**2)


def test_the_second_step_needs_less() -> None:
    """2.1 standard errors: p = .036, clear at 4.5 % but not at 2.25 %."""
    alone, beside_unclear, beside_clear = (
        decided([(spread(2.1, 1.0), 0.0), *others])[0] for others in ([], [(spread(0.0, 1.0), 0.0)], [(spread(9.0, 1.0), 0.0)])
    )
    assert [alone.claim, beside_unclear.claim, beside_clear.claim] == ["helps", "unclear", "helps"]
    assert beside_clear.interval == (pytest.approx(alone.interval[0]), pytest.approx(beside_unclear.interval[1]))


def test_same_and_its_margin() -> None:
    half = spread(0.0, 1.0).half_width(level_of(2 * FAMILYWISE_LEVEL))
    assert decided([(spread(0.5, 1.0), 0.5 + half * 1.001)])[0].claim == "same"
    assert decided([(spread(0.5, 1.0), 0.5 + half * 0.999)])[0].claim == "unclear"
    assert decided([(spread(0.5, 0.1), 9.0)])[0].claim == "helps"  # real, though smaller than the margin


def test_the_mean_is_never_a_gate() -> None:
    """Two tasks with opposite effects are claimed although their mean is 0."""
    tasks = [Hypothesis(RepeatedEstimate.once(spread(shift, 1.0)), 0.1) for shift in (9.0, -9.0)]
    pooled, words = decide([Hypothesis(RepeatedEstimate.once(spread(0.0, 1.0)), 1.0)], tasks)
    assert [one.claim for one in (*pooled, *words)] == ["unclear", "helps", "hurts"]


def looked(*differences: float, error: float = 1.0) -> RepeatedEstimate:
    """Looks after 5, 8, ... seeds, with these differences and one standard error."""
    looks = (5, 8, 12, 20)
    estimates = tuple(spread(difference, error, seeds) for difference, seeds in zip(differences, looks, strict=False))
    return RepeatedEstimate(estimates, SeedPlan.of(looks))


def claimed(study: RepeatedEstimate, margin: float = 0.0) -> Decision:
    return decide([], [Hypothesis(study, margin)])[1][0]


def test_a_word_stays() -> None:
    """Clear at the first look, and the second is nearer to 0: the intersection still excludes it."""
    assert claimed(looked(3.0)).claim == "helps"
    assert claimed(looked(3.0, 1.0)).claim == "helps"
    assert claimed(looked(1.0, 1.0)).claim == "unclear"


def test_same_stays() -> None:
    first = looked(0.3, error=0.2)
    assert claimed(first, 1.0).claim == "same"
    later = replace(first, looks=(*first.looks, spread(0.3, 0.01, 8)))
    assert claimed(later, 1.0).claim == "same"
    assert claimed(later, 1.0).interval[0] > 0


def test_looks_that_contradict_each_other_are_unclear() -> None:
    found = claimed(looked(9.0, -9.0))
    assert found.claim == "unclear"
    assert found.looks_disagree
    assert found.interval[0] > found.interval[1]
    (low, high), (first, last) = found.reckoned, looked(9.0, -9.0).looks
    assert low < last.difference < first.difference < high
    assert formatting.format_interval("", found.interval) == "[looks disagree]"
    assert claimed(looked(9.0)).reckoned == claimed(looked(9.0)).interval


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-4, 4), min_size=2, max_size=4), st.floats(0, 2))
def test_intervals_only_shrink(differences: list[float], margin: float) -> None:
    study, order = looked(*differences), ("unclear", "same", "helps", "hurts")
    before = claimed(study.until(len(differences) - 1), margin)
    after = claimed(study, margin)
    assert before.interval[0] <= after.interval[0]
    assert after.interval[1] <= before.interval[1]
    assert after.claim in order
    if before.claim != "unclear" and not after.looks_disagree:
        assert after.claim == before.claim


def test_settling_is_what_it_takes() -> None:
    """A difference of 1 standard error over 1,000 units needs (t / 1)^2 times as many, with 80 % power."""
    decision = decided([(spread(1.0, 1.0), 0.0)])[0]
    assert decision.power is not None
    assert decision.power.seeds is None  # seeds are not the problem
    normal = NormalDist()
    level, one_sided = -normal.inv_cdf(level_of(FAMILYWISE_LEVEL) / 2), normal.inv_cdf(0.8)
    rows = (-normal.inv_cdf(0.005 / 2 / 2) + one_sided) ** 2 * 1_000  # at what a continuation spends
    assert decision.power.rows == pytest.approx(rows, rel=0.02)
    assert decision.power.smallest_detectable == pytest.approx(level + one_sided, rel=0.01)


def test_rows_are_named_only_where_they_matter() -> None:
    shifts = np.array([1.0, -0.6, 0.9, -0.5, 0.9])
    answer = power_analysis(RepeatedEstimate.once(crossed_estimate(np.repeat(shifts[:, None], 100, axis=1))), 0.0, FAMILYWISE_LEVEL)
    assert answer.rows is None
    assert answer.seeds is not None
    centered = crossed_estimate(np.repeat(shifts[:, None] - shifts.mean(), 9, axis=1))
    assert power_analysis(RepeatedEstimate.once(centered), 0.0, FAMILYWISE_LEVEL).most_seeds is None  # no difference, no end


@pytest.mark.slow
def test_smallest_effect_is_seen_four_times_in_five() -> None:
    generator = np.random.default_rng(7)
    seeds, units, arrays = 6, 50, 3_000
    D = (
        0.3 * generator.normal(size=(arrays, seeds, 1))
        + generator.normal(size=(arrays, 1, units))
        + generator.normal(size=(arrays, seeds, units))
    )
    effect = float(
        np.mean(
            [power_analysis(RepeatedEstimate.once(crossed_estimate(one)), 0.0, FAMILYWISE_LEVEL).smallest_detectable for one in D[:300]]
        )
    )
    seen = np.mean([crossed_estimate(one + effect).interval(level_of(FAMILYWISE_LEVEL))[0] > 0 for one in D])
    assert seen == pytest.approx(0.8, abs=0.05)
