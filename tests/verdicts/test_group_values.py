"""Metrics without a formula for the influence of a unit: 50 fixed groups of units stand as units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polytask as pt
from polytask.errors import DataError
from polytask.metrics.influence_functions import GROUPS, fixed_groups, group_values, pool_groups, signed_difference, unit_contributions
from polytask.metrics.metric_functions import METRICS
from polytask.tasks import Metric, Outcome, Runs
from polytask.verdicts.estimates.crossed_anova import CrossedEstimate, crossed_estimate

MEDIAN = Metric("median-error", lambda outcome: float(np.median(np.abs(outcome.targets - outcome.predictions))), higher_is_better=False)
RMSE = Metric("my-rmse", METRICS["rmse"].function, higher_is_better=False)
CORRELATION = Metric("correlation", lambda outcome: float(np.corrcoef(outcome.targets, outcome.predictions)[0, 1]), higher_is_better=True)
RATIO = Metric(
    "relative-error",
    lambda outcome: float(np.abs(outcome.targets - outcome.predictions).sum() / np.abs(outcome.targets).sum()),
    higher_is_better=False,
)
UNITS = 200
ARBITRARY = (MEDIAN, RMSE, CORRELATION, RATIO)
each = pytest.mark.parametrize("metric", ARBITRARY, ids=lambda metric: metric.name)


def drawn(generator: np.random.Generator, units: int, seeds: int = 3) -> tuple[np.ndarray, Runs]:
    targets = generator.normal(1, 2, size=units)
    return targets, Runs(targets + generator.normal(size=(seeds, units)))


@each
@pytest.mark.parametrize("units", [7, 50, 333])
def test_the_mean_over_units_is_the_metric(metric: Metric, units: int) -> None:
    targets, runs = drawn(np.random.default_rng(1), units)
    expected = [metric.function(Outcome(targets, row)) for row in runs.predictions]
    values = unit_contributions(metric, targets, runs)
    assert values.mean(axis=1) == pytest.approx(expected, rel=1e-12)
    groups = fixed_groups(np.zeros((units, 1), dtype=bool))
    assert pool_groups(values, groups, groups.max() + 1).mean(axis=1) == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(2, 6))
def test_of_a_mean_they_are_the_means_of_the_groups(seed: int, units: int, number: int) -> None:
    generator = np.random.default_rng(seed)
    targets, runs = drawn(generator, units, seeds=1)
    groups = np.concatenate([[0, 1], generator.integers(0, number, size=units - 2)])
    errors = np.abs(targets - runs.predictions[0])
    values = group_values(METRICS["mae"], Outcome(targets, runs.predictions[0]), groups)
    assert values == pytest.approx([errors[groups == group].mean() for group in groups], rel=1e-9, abs=1e-9)


def test_of_a_smooth_metric_they_are_the_mean_influences_of_the_groups() -> None:
    """To first order: with ten times the units the gap is a tenth."""
    gaps = []
    for units in (500, 5_000):
        targets, runs = drawn(np.random.default_rng(2), units, seeds=1)
        groups = fixed_groups(np.zeros((units, 1), dtype=bool))
        exact = pool_groups(METRICS["rmse"].influence(targets, runs), groups, GROUPS)  # type: ignore[misc]
        gaps.append(np.abs(pool_groups(unit_contributions(RMSE, targets, runs), groups, GROUPS) - exact).mean())
    assert gaps[1] < gaps[0] / 5


@given(st.integers(1, 400), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_groups_are_even_over_all_units_and_over_those_of_every_task(units: int, tasks: int, seed: int) -> None:
    membership = np.random.default_rng(seed).random((units, tasks)) < 0.6
    groups = fixed_groups(membership)
    assert (groups == fixed_groups(membership)).all()
    sizes = np.bincount(groups, minlength=min(GROUPS, units))
    assert sizes.max() - sizes.min() <= 1
    patterns = 2 ** (tasks - 1)  # how many different sets of tasks a unit of one task may belong to
    for task in range(tasks):
        own = np.bincount(groups[membership[:, task]], minlength=len(sizes))
        assert own.max() - own.min() <= patterns


def test_a_metric_that_is_not_finite_without_a_group_is_refused() -> None:
    first = Metric("first", lambda outcome: float("nan") if outcome.targets[0] else 1.0, higher_is_better=True)
    with pytest.raises(DataError, match="first: the metric must be finite on all test units and without any group of them"):
        group_values(first, Outcome(np.array([0.0, 1.0]), np.zeros(2)), np.array([0, 1]))


def frame_of(targets: np.ndarray, arms: dict[str, np.ndarray], task: str = "t") -> pd.DataFrame:
    rows = [
        (arm, seed, task, unit, targets[unit], value)
        for arm, runs in arms.items()
        for seed, row in enumerate(runs)
        for unit, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])


def test_the_verdict_is_that_of_the_groups() -> None:
    generator = np.random.default_rng(3)
    targets, single = drawn(generator, 130, seeds=4)
    better = Runs(targets + 0.5 * generator.normal(size=(4, 130)))
    frame = frame_of(targets, {"single": single.predictions, "equal": better.predictions})
    verdict = pt.verdict(frame, kinds={"t": "regression"}, metrics={"t": MEDIAN}).tasks["t"]
    groups = fixed_groups(np.ones((130, 1), dtype=bool))
    D = signed_difference(MEDIAN, unit_contributions(MEDIAN, targets, better, groups), unit_contributions(MEDIAN, targets, single, groups))
    study = crossed_estimate(pool_groups(D, groups, GROUPS))
    assert verdict.units == study.units == GROUPS
    assert verdict.arms["equal"].difference == study.difference > 0
    assert verdict.arms["equal"].decision.interval == study.interval(0.9 * 0.05)
    assert (verdict.metric, verdict.arms["equal"].claim) == ("median-error", "helps")


def test_units_of_one_group_of_the_table_stay_together() -> None:
    """Ten customers of twenty rows each are ten units."""
    targets, single = drawn(np.random.default_rng(4), 200)
    frame = frame_of(targets, {"single": single.predictions, "equal": single.predictions})
    verdict = pt.verdict(frame.assign(group=frame["unit"] // 20), kinds={"t": "regression"}, metrics={"t": MEDIAN}).tasks["t"]
    assert verdict.units == 10
    assert verdict.arms["equal"].claim == "same"


def test_the_mean_over_tasks_takes_groups_too_where_one_task_needs_them() -> None:
    generator = np.random.default_rng(5)
    targets, single = drawn(generator, 400)
    frames = []
    for task in ("a", "b"):
        other = Runs(targets + generator.normal(size=single.predictions.shape))
        frames.append(frame_of(targets, {"single": single.predictions, "equal": other.predictions}, task))
    kinds = {"a": "regression", "b": "regression"}
    plain, mixed, both = (
        pt.verdict(pd.concat(frames), kinds=kinds, metrics=metrics) for metrics in (None, {"a": RMSE}, {"a": RMSE, "b": RMSE})
    )
    assert mixed.arms["equal"].delta_m_percent == pytest.approx(plain.arms["equal"].delta_m_percent, rel=1e-6)
    widths = [interval[1] - interval[0] for case in (plain, mixed, both) if (interval := case.arms["equal"].interval) is not None]
    assert widths == pytest.approx([widths[0]] * 3, rel=0.2)


def null_study(generator: np.random.Generator, seeds: int, alike: float) -> tuple[np.ndarray, Runs, Runs]:
    """Two arms of one distribution: seeds are good or bad whatever the unit, and units hard or easy whatever the seed.

    Args:
        generator: Of the numbers.
        seeds: How many.
        alike: The correlation between the arms of what makes a unit hard: 1 where both are the same way of training (A/A).
    """
    targets, common = generator.normal(size=UNITS), generator.normal(size=UNITS)

    def runs() -> Runs:
        lasting = alike**0.5 * common + (1 - alike) ** 0.5 * generator.normal(size=UNITS)
        spread = 0.5 + 0.1 * generator.random((seeds, 1))
        noise = 0.1 * generator.normal(size=(seeds, 1)) + spread * generator.normal(size=(seeds, UNITS))
        return Runs(targets + 0.3 * lasting + noise)

    return targets, runs(), runs()


def false_alarms(metric: Metric, seeds: int, studies: int, alike: float = 1.0) -> float:
    """The share of studies without a difference in which a word says that there is one."""
    generator = np.random.default_rng(seeds)
    groups = fixed_groups(np.ones((UNITS, 1), dtype=bool))
    alarms = 0
    for _ in range(studies):
        targets, arm, baseline = null_study(generator, seeds, alike)
        ours, theirs = (unit_contributions(metric, targets, runs, groups) for runs in (arm, baseline))
        study: CrossedEstimate = crossed_estimate(pool_groups(signed_difference(metric, ours, theirs), groups, GROUPS))
        alarms += study.half_width(0.05) < abs(study.difference)
    return alarms / studies


@pytest.mark.sampled(4)
@each
def test_false_alarms_are_few(metric: Metric) -> None:
    assert false_alarms(metric, 5, studies=50) <= 0.08


@pytest.mark.slow
@pytest.mark.sampled(2, sweep=2)
@pytest.mark.parametrize(("seeds", "limit"), [(3, 0.085), (5, 0.055), (10, 0.055)])
@each
def test_false_alarms_of_400_studies_of_the_same_arm_are_five_in_a_hundred(metric: Metric, seeds: int, limit: float) -> None:
    """Binomial noise of 400 studies is .011; for 3 seeds the limit is that of `test_calibration`."""
    assert false_alarms(metric, seeds, studies=400) <= limit


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "limit"), [(3, 0.085), (5, 0.07), (10, 0.06)])
def test_arms_that_differ_unit_by_unit_and_not_on_average_are_kept_to_the_limits_of_every_metric(seeds: int, limit: float) -> None:
    """The limits are those of `test_calibration`: which units an arm finds hard tells nothing of which ones the other does."""
    assert false_alarms(MEDIAN, seeds, studies=400, alike=0.0) <= limit
