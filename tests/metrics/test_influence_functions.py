"""Influences average to the metric, and their spread is the metric's."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.errors import ConfigError, DataError
from polytask.metrics.influence_functions import influence_differences, pool_groups, unit_contributions
from polytask.metrics.metric_functions import METRICS
from polytask.tasks import Outcome, Runs
from polytask.tasks.number_rows import write_rows

Drawn = tuple[np.ndarray, Runs, list[Outcome]]
CLASSES = ("accuracy", "precision", "recall", "f1", "log-loss", "auc")
TAGS, SETS = (
    ("entity-f1", "entity-precision", "entity-recall", "token-accuracy"),
    ("micro-f1", "micro-precision", "micro-recall"),
)
RANKS, COUNTS, QUANTILES, TIMES = ("rank-error", "quadratic-kappa"), "poisson-deviance", ("pinball", "coverage-gap"), "concordance"
VECTORS = ("mean-mae", "mean-r2", "mean-rmse")


def drawn_tags(generator: np.random.Generator, units: int, seeds: int, skill: float) -> Drawn:
    """Sentences of up to six tags, of which a share is drawn anew by each run."""
    names = np.array(["O", "B-a", "I-a", "B-b"])
    lengths = np.random.default_rng(0).integers(1, 7, size=units)
    true = [generator.integers(0, 4, size=length) for length in lengths]
    guesses = np.empty((seeds, units), dtype=object)
    for seed in range(seeds):
        for unit, tags in enumerate(true):
            other = generator.random(len(tags)) < 0.5 / skill
            guesses[seed, unit] = " ".join(names[np.where(other, generator.integers(0, 4, size=len(tags)), tags)])
    targets = np.array([" ".join(names[tags]) for tags in true], dtype=object)
    return targets, Runs(guesses), [Outcome(targets, row) for row in guesses]


def drawn_sets(generator: np.random.Generator, units: int, seeds: int, skill: float) -> Drawn:
    """Sets of up to three labels, of which a share is drawn anew by each run."""
    names = np.array(["a", "b", "c"])
    true = generator.random((units, 3)) < 0.4
    other = generator.random((seeds, units, 3)) < 0.5 / skill
    predicted = np.where(other, generator.random((seeds, units, 3)) < 0.4, true)
    texts = np.array([["|".join(names[row]) or "-" for row in run] for run in [true, *predicted]], dtype=object)
    return texts[0], Runs(texts[1:]), [Outcome(texts[0], row) for row in texts[1:]]


def drawn_numbers(metric: str, generator: np.random.Generator, units: int, seeds: int, skill: float) -> Drawn:
    """Ranks, counts, quantiles or times around something hidden, and what runs make of it; scores are rounded so that many tie."""
    hidden = generator.normal(size=units)
    seen = hidden + generator.normal(size=(seeds, units)) / skill
    if metric in RANKS:
        targets, guesses = np.digitize(hidden, [-1, 0, 1]), np.digitize(seen, [-1, 0, 1])
    elif metric == COUNTS:
        targets, guesses = generator.poisson(np.exp(hidden)).astype(np.float64), np.exp(seen)
    elif metric in QUANTILES:
        targets = hidden + generator.normal(size=units) / 4
        guesses = np.array([[f"0.2:{value - 0.3!r} 0.7:{value + 0.2!r}" for value in row] for row in seen.tolist()], dtype=object)
    else:
        events = np.where(generator.random(units) < 0.6, 1, -1)
        targets, guesses = np.round(np.exp(hidden), 1) * events + 0.05 * events, np.round(seen, 1)
    return targets, Runs(guesses), [Outcome(targets, row) for row in guesses]


def drawn(metric: str, generator: np.random.Generator, units: int, seeds: int = 3, skill: float = 1.0) -> Drawn:
    """Targets, runs, and the same runs as outcomes; scores are rounded so that many tie."""
    if metric in TAGS:
        return drawn_tags(generator, units, seeds, skill)
    if metric in SETS:
        return drawn_sets(generator, units, seeds, skill)
    if metric in (*RANKS, COUNTS, *QUANTILES, TIMES):
        return drawn_numbers(metric, generator, units, seeds, skill)
    if metric in VECTORS:
        targets = generator.normal(1, 2, size=(units, 2))
        guesses = targets + generator.normal(size=(seeds, units, 2)) / skill
        targets[generator.random(units) < 0.3, 1] = np.nan  # a component without a label
        texts = np.stack([write_rows(rows) for rows in (targets, *guesses)])
        return texts[0], Runs(texts[1:]), [Outcome(texts[0], row) for row in texts[1:]]
    if metric not in CLASSES:
        targets = generator.normal(1, 2, size=units)
        guesses = targets + generator.normal(size=(seeds, units)) / skill
        return targets, Runs(guesses), [Outcome(targets, guess) for guess in guesses]
    targets = (generator.random(units) < 0.3).astype(np.int64)
    positive = np.round(1 / (1 + np.exp(-skill * (2 * targets - 1) - generator.normal(size=(seeds, units)))), 2)
    positive = np.clip(positive, 0.01, 0.99)
    guesses = (positive > 0.5).astype(np.int64)
    outcomes = [Outcome(targets, guess, np.stack([1 - p, p], axis=1)) for guess, p in zip(guesses, positive, strict=True)]
    return targets, Runs(guesses, np.where(targets == 1, positive, 1 - positive)), outcomes


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_mean_over_units_is_the_metric(metric: str) -> None:
    targets, runs, outcomes = drawn(metric, np.random.default_rng(1), units=57)
    expected = [METRICS[metric].function(outcome) for outcome in outcomes]
    assert unit_contributions(metric, targets, runs).mean(axis=1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_difference_is_positive_where_the_arm_is_better(metric: str) -> None:
    generator = np.random.default_rng(2)
    targets, arm, better = drawn(metric, generator, units=400, skill=2.0)
    state = np.random.default_rng(2)
    same_targets, baseline, worse = drawn(metric, state, units=400, skill=0.5)
    assert (targets == same_targets).all()
    D = influence_differences(metric, targets, arm, baseline)
    sign = 1 if METRICS[metric].higher_is_better else -1
    expected = [sign * (METRICS[metric].function(a) - METRICS[metric].function(b)) for a, b in zip(better, worse, strict=True)]
    assert D.mean(axis=1) == pytest.approx(expected, rel=1e-10)
    assert (D.mean(axis=1) > 0).all()
    assert influence_differences(metric, targets, baseline, arm) == pytest.approx(-D, rel=1e-12)
    assert not influence_differences(metric, targets, arm, arm).any()


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "metric",
    [
        "rmse",
        "r2",
        "auc",
        "f1",
        "quadratic-kappa",
        "mean-r2",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("micro-f1", "concordance", "coverage-gap")),
    ],
)
def test_spread_of_influences_is_that_of_the_metric(metric: str) -> None:
    """Delta method: the variance of the metric over fresh samples is that of its influences / n, here within 10 %."""
    generator = np.random.default_rng(3)
    units, samples = 400, 2_000
    values, variances = [], []
    for _ in range(samples):
        targets, runs, _ = drawn(metric, generator, units, seeds=1)
        of_units = unit_contributions(metric, targets, runs)[0]
        values.append(of_units.mean())
        variances.append(of_units.var(ddof=1) / units)
    assert np.mean(variances) / np.var(values, ddof=1) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("metric", ["rmse", "r2", "precision", "recall", "f1", "micro-f1", "quadratic-kappa", "concordance"])
def test_influence_is_the_slope_of_the_metric(metric: str) -> None:
    """Leaving out unit r moves the metric by -(influence - metric) / (n - 1), up to O(1 / n^2)."""
    gaps = []
    for units in (50, 500):
        targets, runs, outcomes = drawn(metric, np.random.default_rng(4), units, seeds=1)
        whole = METRICS[metric].function(outcomes[0])
        rest = [METRICS[metric].function(Outcome(np.delete(targets, r), np.delete(outcomes[0].predictions, r))) for r in range(units)]
        predicted = whole - (unit_contributions(metric, targets, runs)[0] - whole) / (units - 1)
        gaps.append(np.abs(predicted - rest).mean())
    assert gaps[1] < gaps[0] / 50


def test_delong_components_by_hand() -> None:
    """Two positives with scores 3 and 1, two negatives with 1 and 0: V10 = (1, 3/4), V01 = (3/4, 1), area 7/8."""
    targets = np.array([1, 1, 0, 0])
    positive = np.array([[0.3, 0.1, 0.1, 0.0]])
    values = unit_contributions("auc", targets, Runs(targets[None], np.where(targets == 1, positive, 1 - positive)))
    assert values[0].tolist() == pytest.approx([9 / 8, 5 / 8, 5 / 8, 9 / 8])


def test_pooling_keeps_the_mean_and_sums_groups() -> None:
    generator = np.random.default_rng(5)
    values, codes = generator.normal(size=(3, 30)), generator.integers(7, size=30)
    pooled = pool_groups(values, codes, 9)
    assert pooled.mean(axis=1) == pytest.approx(values.mean(axis=1))
    assert pooled[:, 8] == pytest.approx(values.mean(axis=1))  # no row belongs to it
    assert pool_groups(values, np.arange(30)[::-1], 30)[:, ::-1] == pytest.approx(values)


def test_what_cannot_be_judged_is_said() -> None:
    codes, runs = np.array([0, 1]), Runs(np.array([[0, 1]]))
    with pytest.raises(ConfigError, match="unknown metric"):
        unit_contributions("rmsse", codes, runs)
    with pytest.raises(DataError, match="probability given to the true label"):
        unit_contributions("log-loss", codes, runs)
    with pytest.raises(DataError, match="both classes"):
        unit_contributions("auc", np.array([1, 1]), Runs(np.array([[1, 1]]), np.array([[0.5, 0.5]])))
    with pytest.raises(ConfigError, match="needs two classes"):
        unit_contributions("auc", np.array([0, 1, 2]), Runs(np.array([[0, 1, 2]]), np.ones((1, 3))))
    with pytest.raises(DataError, match="ranks that differ"):
        unit_contributions("quadratic-kappa", np.array([1, 1]), Runs(np.array([[1, 1]])))
    with pytest.raises(DataError, match="labels: there is nothing to count"):
        unit_contributions("micro-f1", np.array(["-", "-"]), Runs(np.array([["-", "-"]])))
    with pytest.raises(DataError, match="at least two test units must have a known order"):
        unit_contributions("concordance", np.array([-1.0, -2.0]), Runs(np.array([[1.0, 2.0]])))
    with pytest.raises(DataError, match="rates must be positive"):
        unit_contributions("poisson-deviance", np.array([1.0, 2.0]), Runs(np.array([[1.0, 0.0]])))
    with pytest.raises(DataError, match="targets that differ"):
        unit_contributions("r2", np.array([2.0, 2.0]), Runs(np.array([[1.0, 2.0]])))


def test_what_nobody_claimed_has_precision_zero() -> None:
    """As in the metrics; with something there to be found, that is a result and no gap."""
    targets = np.array(["a", "-"])
    assert unit_contributions("micro-precision", targets, Runs(np.array([["-", "-"]]))).tolist() == [[0.0, 0.0]]


def test_a_seed_without_errors_has_rmse_zero() -> None:
    targets = np.array([1.0, 2.0])
    assert unit_contributions("rmse", targets, Runs(targets[None])).tolist() == [[0.0, 0.0]]
