"""Predictors that never look: each the best constant of its kind, for the metric that decides."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.errors import DataError
from polytask.metrics.metric_functions import METRICS
from polytask.metrics.trivial_predictor import trivial_predictions
from polytask.tasks import Binary, Count, Multiclass, Multilabel, Ordinal, Outcome, Quantile, Regression, Survival
from polytask.tasks.multilabel import usual_labels


def test_trivial_predictors() -> None:
    mean = trivial_predictions(Regression(name="t"), np.array([1.0, 2.0, 6.0]), np.array([0.0, 9.0]))
    assert mean.predictions.tolist() == [3.0, 3.0]
    majority = trivial_predictions(Multiclass(name="t", classes=(0, 1, 2, 3)), np.array([2, 0, 2, 1]), np.array([0, 3]))
    assert majority.predictions.tolist() == [2, 2]
    assert majority.probabilities is not None
    assert majority.probabilities.tolist() == [[0.25, 0.25, 0.5, 0.0]] * 2
    assert len(trivial_predictions(Binary(name="t"), np.array([0, 0]), np.empty(0, np.int64)).targets) == 0
    with pytest.raises(DataError, match="at least one training target"):
        trivial_predictions(Binary(name="t"), np.empty(0, np.int64), np.array([1]))


@pytest.mark.parametrize("seed", range(5))
def test_no_other_constant_is_better_on_the_training_targets(seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts = generator.poisson(3, size=40).astype(np.float64)
    ranks = generator.integers(0, 5, size=40)
    numbers = generator.normal(size=40)
    pairs = [np.full(40, f"0.1:{a} 0.7:{b}", dtype=object) for a in numbers for b in numbers]
    cases = (
        (Count(name="t"), "poisson-deviance", counts, [np.full(40, rate) for rate in np.linspace(0.5, 8, 60)]),
        (Ordinal(name="t", classes=tuple(range(5))), "rank-error", ranks, [np.full(40, rank) for rank in range(5)]),
        (
            Quantile(name="t", levels=(0.1, 0.7)),
            "pinball",
            numbers,
            pairs,
        ),
    )
    for task, metric, targets, others in cases:
        own = METRICS[metric].function(trivial_predictions(task, targets, targets))
        assert own <= min(METRICS[metric].function(Outcome(targets, other)) for other in others) + 1e-12


def test_of_ordered_classes_the_median_and_the_frequencies() -> None:
    found = trivial_predictions(Ordinal(name="t", classes=(0, 1, 2, 3)), np.array([0, 0, 1, 2, 2]), np.array([3]))
    assert found.predictions.tolist() == [1]
    assert found.probabilities is not None
    assert found.probabilities.tolist() == [[0.4, 0.2, 0.4, 0.0]]


def test_of_sets_the_labels_of_more_than_half_in_the_order_of_the_rows() -> None:
    training = np.array(["c", "a|c", "b|c", "a|b", "a|b|c", "a|b"], dtype=object)
    assert usual_labels(training) == "a|b|c"
    assert (
        trivial_predictions(Multilabel(name="t", classes=("a", "b", "c")), training, np.array(["a|b|c", "-"])).predictions.tolist()
        == ["a|b|c"] * 2
    )
    assert usual_labels(np.array(["a", "b", "-", "a"])) == "-"


def test_one_time_for_all_orders_nothing() -> None:
    found = trivial_predictions(Survival(name="t"), np.array([1.0, -2.0, 5.0]), np.array([1.0, 2.0, -3.0]))
    assert found.predictions.tolist() == [2.0] * 3
    assert METRICS["concordance"].function(found) == 0.5
