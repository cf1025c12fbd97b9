"""Words and intervals cannot disagree; Holm is the closed test of Bonferroni's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.verdicts.crossed_anova import CrossedEstimate, MeanSquares, crossed_estimate
from polytask.verdicts.decision import FAMILYWISE_LEVEL, decide, holm, step_down
from polytask.verdicts.power import power_analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def closed_test(p: Sequence[float]) -> list[float]:
    """The largest Bonferroni p over all intersections that contain a hypothesis (Marcus, Peritz & Gabriel, Biometrika 1976)."""
    tasks = range(len(p))
    subsets = [subset for size in range(1, len(p) + 1) for subset in itertools.combinations(tasks, size)]
    return [max(min(1.0, len(subset) * min(p[j] for j in subset)) for subset in subsets if i in subset) for i in tasks]


@given(P_VALUES)
def test_holm_is_the_closed_test(p: list[float]) -> None:
    assert holm(p).tolist() == pytest.approx(closed_test(p), rel=1e-12)


@given(P_VALUES)
def test_stepping_down_rejects_what_holm_does(p: list[float]) -> None:
    values = np.array([round(value / 0.37 * 0.05, 6) for value in p])  # many near the level
    excludes = np.array([values <= FAMILYWISE_LEVEL / left for left in range(1, len(p) + 1)])
    lefts = step_down(excludes)
    near = np.abs(holm(values) - FAMILYWISE_LEVEL) < 1e-9  # where a product and a quotient may round apart
    assert ((lefts > 0) == (holm(values) <= FAMILYWISE_LEVEL))[~near].all()
    assert (values[lefts > 0] <= FAMILYWISE_LEVEL / lefts[lefts > 0]).all()


def test_stepping_down_many_families_at_once() -> None:
    generator = np.random.default_rng(0)
    p = generator.uniform(0, 0.1, size=(200, 4))
    excludes = np.stack([p <= FAMILYWISE_LEVEL / left for left in range(1, 5)])
    together = step_down(excludes)
    for i in range(200):
        assert (together[i] == step_down(excludes[:, i])).all()
        assert ((together[i] > 0) == (holm(p[i]) <= FAMILYWISE_LEVEL)).all()


@st.composite
def studies(draw: st.DrawFn) -> CrossedEstimate:
    """Any study: also without variance, or with an exact 0."""
    seeds, units = draw(st.integers(2, 12)), draw(st.integers(2, 500))
    difference = draw(st.sampled_from([0.0, 1e-9]) | st.floats(-5, 5))
    seed_variance, of_units = draw(st.sampled_from([0.0]) | st.floats(1e-6, 2)), draw(st.sampled_from([0.0]) | st.floats(1e-6, 2))
    rest = draw(st.floats(0, 1)) * seed_variance * seeds * units
    squares = MeanSquares(*map(np.float64, (difference, seed_variance * seeds * units, of_units * seeds * units + rest, rest)))
    return CrossedEstimate(difference, seeds, units, squares, seed_variance, of_units)


@settings(max_examples=3 * settings.default.max_examples, deadline=None)
@given(st.lists(st.tuples(studies(), st.floats(0, 3)), min_size=1, max_size=5))
def test_words_and_intervals_agree(family: list[tuple[CrossedEstimate, float]]) -> None:
    tasks = len(family)
    for (study, margin), decision in zip(family, decide(*zip(*family, strict=True)), strict=True):
        low, high = decision.interval
        assert low <= study.difference <= high
        assert (decision.claim == "helps") == (low > 0)
        assert (decision.claim == "hurts") == (high < 0)
        fits = abs(study.difference) + study.half_width(2 * FAMILYWISE_LEVEL / tasks) <= margin
        assert (decision.claim == "same") == (fits and low <= 0 <= high)
        assert (decision.power is None) == (decision.claim != "unclear")
        if abs(decision.p_adjusted - FAMILYWISE_LEVEL) > 1e-9:
            assert (decision.p_adjusted < FAMILYWISE_LEVEL) == (decision.claim in ("helps", "hurts"))
        if abs(decision.p_same - FAMILYWISE_LEVEL / tasks) > 1e-9 and decision.claim not in ("helps", "hurts"):
            assert (decision.p_same < FAMILYWISE_LEVEL / tasks) == (decision.claim == "same")
        # Never narrower than the interval of the task alone, nor wider than the simultaneous one.
        alone, together = study.half_width(FAMILYWISE_LEVEL), study.half_width(FAMILYWISE_LEVEL / tasks)
        for half in (study.difference - low, high - study.difference):
            assert alone * (1 - 1e-9) - 1e-12 <= half <= together * (1 + 1e-9) + 1e-12


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.tuples(studies(), st.floats(0, 3)), min_size=1, max_size=4))
def test_flipping_the_sign_mirrors_everything(family: list[tuple[CrossedEstimate, float]]) -> None:
    mirrored = [(replace(study, difference=-study.difference), margin) for study, margin in family]
    swap = {"helps": "hurts", "hurts": "helps"}
    for one, other in zip(decide(*zip(*family, strict=True)), decide(*zip(*mirrored, strict=True)), strict=True):
        assert other.claim == swap.get(one.claim, one.claim)
        assert other.interval == (-one.interval[1], -one.interval[0])
        assert (other.p, other.p_adjusted, other.p_same) == (one.p, one.p_adjusted, one.p_same)


def spread(difference: float, error: float, seeds: int = 10, units: int = 1_000) -> CrossedEstimate:
    """A study where only units matter, with that standard error."""
    square = error**2 * seeds * units
    return CrossedEstimate(difference, seeds, units, MeanSquares(*map(np.float64, (difference, 0, square, 0))), 0.0, error**2)


def test_the_second_step_needs_less() -> None:
    """2.1 standard errors: p = .036, clear at 5 % but not at 2.5 %."""
    alone, beside_unclear, beside_clear = (
        decide([spread(2.1, 1.0)], [0.0])[0],
        decide([spread(2.1, 1.0), spread(0.0, 1.0)], [0.0, 0.0])[0],
        decide([spread(2.1, 1.0), spread(9.0, 1.0)], [0.0, 0.0])[0],
    )
    assert [alone.claim, beside_unclear.claim, beside_clear.claim] == ["helps", "unclear", "helps"]
    assert beside_clear.interval == (pytest.approx(alone.interval[0]), pytest.approx(beside_unclear.interval[1]))


def test_same_and_its_margin() -> None:
    half = spread(0.0, 1.0).half_width(2 * FAMILYWISE_LEVEL)
    assert decide([spread(0.5, 1.0)], [0.5 + half * 1.001])[0].claim == "same"
    assert decide([spread(0.5, 1.0)], [0.5 + half * 0.999])[0].claim == "unclear"
    assert decide([spread(0.5, 0.1)], [9.0])[0].claim == "helps"  # real, though smaller than the margin


def test_settling_is_what_it_takes() -> None:
    """A difference of 1 standard error over 1,000 units needs (t / 1)^2 times as many: about 3,850."""
    decision = decide([spread(1.0, 1.0)], [0.0])[0]
    assert decision.power is not None
    assert decision.power.seeds is None  # seeds are not the problem
    assert decision.power.rows == pytest.approx(1.96**2 * 1_000, rel=0.02)
    assert decision.power.smallest_detectable == pytest.approx(1.96 + 0.84, rel=0.01)


def test_settling_by_seeds_where_seeds_rule() -> None:
    shifts = np.array([1.0, -0.6, 0.9, -0.5, 0.9])
    study = crossed_estimate(np.repeat(shifts[:, None], 100, axis=1))
    answer = power_analysis(study, 0.0, FAMILYWISE_LEVEL)
    assert answer.rows is None
    assert answer.seeds is not None
    needed = [
        seeds for seeds in range(6, 200) if crossed_estimate(np.resize(shifts, seeds)[:, None].repeat(100, axis=1)).p < FAMILYWISE_LEVEL
    ]
    assert answer.seeds == pytest.approx(needed[0], abs=6)
    assert (
        power_analysis(crossed_estimate(np.repeat(shifts[:, None] - shifts.mean(), 9, axis=1)), 0.0, FAMILYWISE_LEVEL).seeds is None
    )  # no difference, no end


@pytest.mark.slow
def test_smallest_effect_is_seen_four_times_in_five() -> None:
    generator = np.random.default_rng(7)
    seeds, units, arrays = 6, 50, 3_000
    D = (
        0.3 * generator.normal(size=(arrays, seeds, 1))
        + generator.normal(size=(arrays, 1, units))
        + generator.normal(size=(arrays, seeds, units))
    )
    effect = float(np.mean([power_analysis(crossed_estimate(one), 0.0, FAMILYWISE_LEVEL).smallest_detectable for one in D[:300]]))
    seen = np.mean([crossed_estimate(one + effect).interval()[0] > 0 for one in D])
    assert seen == pytest.approx(0.8, abs=0.05)
