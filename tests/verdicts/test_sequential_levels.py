"""Levels of looks: exact for t tests, whatever the plan; what a plan and its continuations spend stays within the error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtr

from polytask.errors import ConfigError
from polytask.verdicts.spending.seed_plan import PLAN_SHARE, SeedPlan, planned_looks
from polytask.verdicts.spending.sequential_levels import nominal_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LOOKS = (5, 8, 12, 20)


def p_values(seeds: Sequence[int], draws: int, root: int = 0) -> NDArray[np.float64]:
    """Two-sided p values (draws, K) of t tests of the first s_k of standard normal differences."""
    x = np.random.default_rng(root).standard_normal((draws, seeds[-1]))
    sums, squares = np.cumsum(x, axis=1), np.cumsum(x * x, axis=1)
    found = []
    for s in seeds:
        mean, rest = sums[:, s - 1] / s, squares[:, s - 1] - sums[:, s - 1] ** 2 / s
        found.append(2 * stdtr(s - 1, -np.abs(mean) / np.sqrt(rest / (s - 1) / s)))
    return np.stack(found, axis=1)


def first_rejections(p: NDArray[np.float64], levels: Sequence[float]) -> NDArray[np.float64]:
    """Share of studies whose first rejection is at each look."""
    rejected = p < np.asarray(levels)
    return np.asarray((rejected & (np.cumsum(rejected, axis=1) == 1)).mean(axis=0))


@pytest.mark.parametrize("error", [0.05, 0.025])
def test_levels_are_those_of_the_literature(error: float) -> None:
    """The table of Lan & DeMets' linear spending for t statistics, which was simulated with some hundred thousand draws."""
    known = {0.05: (0.0125, 0.0101, 0.0143, 0.0263), 0.025: (0.0062, 0.0048, 0.0067, 0.0125)}[error]
    assert nominal_levels(LOOKS, [error * s / 20 for s in LOOKS]) == pytest.approx(known, rel=0.035)


def check_spending(draws: int) -> None:
    """Every look spends what is planned, within four standard errors of the simulation and 1 % of the levels' own precision."""
    for seeds, errors in [
        (LOOKS, (0.05, 0.025, 0.04 / 14)),
        ((2, 3, 5), (0.05, 0.01)),
        ((5, 6, 7, 8), (0.05,)),
        ((3, 4, 9), (0.02,)),
    ]:
        p = p_values(seeds, draws)
        for error in errors:
            spent = [error * s / seeds[-1] for s in seeds]
            wanted = np.diff([0.0, *spent])
            noise = np.sqrt(wanted / draws)
            assert (np.abs(first_rejections(p, nominal_levels(seeds, spent)) - wanted) < 4 * noise + 0.01 * wanted).all()


def test_every_look_spends_its_part() -> None:
    check_spending(50_000)


@pytest.mark.slow
def test_every_look_spends_its_part_at_a_million_draws() -> None:
    check_spending(1_000_000)


def test_one_look_is_not_changed() -> None:
    assert nominal_levels((7,), (0.031,)) == (0.031,)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.floats(1e-4, 0.1))
def test_levels_are_at_least_what_they_spend(steps: list[int], error: float) -> None:
    """An earlier rejection can only make the level larger; and a larger error has larger levels."""
    seeds = tuple((np.cumsum(steps) + 1).tolist())
    plan, most = SeedPlan.of(seeds), seeds[-1]
    for look, (seeds_of_look, before) in enumerate(zip(seeds, (0, *seeds), strict=False)):
        level = plan.level(look, error)
        assert level >= PLAN_SHARE * error * (seeds_of_look - before) / most * 0.99
        assert plan.level(look, error * 1.5) > level
        assert plan.error(look, level).item() == pytest.approx(error, rel=1e-9)


def test_errors_far_below_the_table_keep_their_order() -> None:
    plan = SeedPlan.of(LOOKS)
    for look in range(4):
        tiny = [float(plan.error(look, level)) for level in (0.0, 1e-30, 1e-12, 1e-6, 1e-3)]
        assert tiny == sorted(tiny)
        assert plan.level(look, tiny[2]) == pytest.approx(1e-12, rel=1e-6)


@given(st.integers(2, 40))
def test_looks_of_a_plan(most: int) -> None:
    looks = planned_looks(most)
    assert looks[-1] == most
    assert list(looks) == sorted(set(looks))
    assert looks[0] >= min(5, most)
    assert len(looks) <= 4


def test_continuations_never_spend_all() -> None:
    plan = SeedPlan.of(LOOKS, [20 + 5 * number for number in range(1, 30)])
    assert plan.spent[3] == pytest.approx(0.9)
    assert plan.spent[4] == pytest.approx(0.95)
    assert plan.spent[5] == pytest.approx(0.975)
    assert max(plan.spent) < 1


def test_a_forced_end_spends_the_rest() -> None:
    plan = SeedPlan.of(LOOKS).ended(9)
    assert plan.looks == (5, 8, 9)
    assert plan.spent == pytest.approx((0.225, 0.36, 0.9))
    levels = [plan.level(look, 0.05) for look in range(3)]
    assert first_rejections(p_values(plan.looks, 200_000), levels).sum() == pytest.approx(0.045, abs=0.0015)


@pytest.mark.parametrize("looks", [(), (1, 5), (5, 5), (8, 5)])
def test_looks_must_increase(looks: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="increasing numbers of seeds"):
        SeedPlan.of(looks)


def test_a_look_that_is_not_planned_is_refused() -> None:
    with pytest.raises(ConfigError, match="no look at the test data"):
        SeedPlan.of(LOOKS).until(6)
