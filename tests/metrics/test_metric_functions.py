"""Every metric against scikit-learn, and what scikit-learn has no answer for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from polytask.errors import ConfigError, DataError
from polytask.metrics.metric_functions import METRICS, compute_metrics, find_metric, relative_score
from polytask.tasks import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _softmax(scores: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def classified(seed: int, rows: int = 60, classes: int = 4, missing: int | None = None) -> Outcome:
    """Random classes; scores rounded so that many tie; optionally a class that no target has."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(classes, size=rows)
    if missing is not None:
        targets[targets == missing] = (missing + 1) % classes
    scores = np.round(generator.normal(size=(rows, classes)) + 0.8 * np.eye(classes)[targets], 0)
    probabilities = _softmax(scores)
    return Outcome(targets, probabilities.argmax(axis=1), probabilities)


def regressed(seed: int, rows: int = 50) -> Outcome:
    generator = np.random.default_rng(seed)
    targets = generator.normal(3, 2, size=rows)
    return Outcome(targets, targets + generator.standard_t(3, size=rows))


@pytest.mark.parametrize("missing", [None, 0, 3])
@pytest.mark.parametrize("seed", range(5))
def test_classes_against_scikit_learn(seed: int, missing: int | None) -> None:
    outcome = classified(seed, missing=missing)
    truth, guess, probabilities = outcome.targets, outcome.predictions, outcome.probabilities
    assert probabilities is not None
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    present = np.unique(truth)
    one_against_rest = [oracle.roc_auc_score(truth == code, probabilities[:, code]) for code in present]
    expected = {
        "accuracy": oracle.accuracy_score(truth, guess),
        "precision": oracle.precision_score(truth, guess, **macro),
        "recall": oracle.recall_score(truth, guess, **macro),
        "f1": oracle.f1_score(truth, guess, **macro),
        "log-loss": oracle.log_loss(truth, probabilities, labels=range(4)),
        "auc": np.mean(one_against_rest),
    }
    assert compute_metrics(outcome, expected) == pytest.approx(expected, rel=1e-12)


def test_multiclass_auc_is_one_against_rest() -> None:
    outcome = classified(7)
    expected = oracle.roc_auc_score(outcome.targets, outcome.probabilities, multi_class="ovr", average="macro")
    assert compute_metrics(outcome, ["auc"])["auc"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_binary_auc_with_ties(seed: int) -> None:
    outcome = classified(seed, classes=2)
    assert outcome.probabilities is not None
    expected = oracle.roc_auc_score(outcome.targets, outcome.probabilities[:, 1])
    assert compute_metrics(outcome, ["auc"])["auc"] == pytest.approx(expected, rel=1e-12)


def test_certain_and_wrong_costs_as_much_as_in_scikit_learn() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]])
    outcome = Outcome(np.array([1, 1]), np.array([0, 1]), probabilities)
    expected = oracle.log_loss(outcome.targets, probabilities, labels=[0, 1])
    assert compute_metrics(outcome, ["log-loss"])["log-loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_values_against_scikit_learn(seed: int) -> None:
    outcome = regressed(seed)
    truth, guess = outcome.targets, outcome.predictions
    expected = {
        "mae": oracle.mean_absolute_error(truth, guess),
        "rmse": oracle.root_mean_squared_error(truth, guess),
        "r2": oracle.r2_score(truth, guess),
    }
    assert compute_metrics(outcome, expected) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_counts_ranks_and_sets_against_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rates = np.exp(generator.normal(size=60))
    counts = generator.poisson(rates * np.exp(generator.normal(size=60))).astype(np.float64)
    deviance = compute_metrics(Outcome(counts, rates), ["poisson-deviance"])["poisson-deviance"]
    assert deviance == pytest.approx(oracle.mean_poisson_deviance(counts, rates), rel=1e-12)
    ranks = classified(seed)
    kappa = oracle.cohen_kappa_score(ranks.targets, ranks.predictions, weights="quadratic")
    expected = {"quadratic-kappa": kappa, "rank-error": oracle.mean_absolute_error(ranks.targets, ranks.predictions)}
    assert compute_metrics(ranks, expected) == pytest.approx(expected, rel=1e-12)
    true, predicted = generator.random((2, 60, 3)) < 0.4
    texts = [np.array(["|".join(np.array(["a", "b", "c"])[row]) or "-" for row in rows], dtype=object) for rows in (true, predicted)]
    scores = oracle.precision_recall_fscore_support(true, predicted, average="micro")[:3]
    micro = dict(zip(("micro-precision", "micro-recall", "micro-f1"), scores, strict=True))
    found = compute_metrics(Outcome(texts[0], texts[1]), [*micro, "accuracy"])
    assert found == pytest.approx({**micro, "accuracy": oracle.accuracy_score(true, predicted)}, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_against_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets, levels = generator.normal(size=50), (0.05, 0.3, 0.9)
    quantiles = np.sort(generator.normal(size=(50, 3)), axis=1)
    texts = [" ".join(f"{level}:{value!r}" for level, value in zip(levels, row, strict=True)) for row in quantiles.tolist()]
    outcome = Outcome(targets, np.array(texts, dtype=object))
    losses = [oracle.mean_pinball_loss(targets, quantiles[:, k], alpha=level) for k, level in enumerate(levels)]
    gaps = [abs(np.mean(targets <= quantiles[:, k]) - level) for k, level in enumerate(levels)]
    expected = {"pinball": np.mean(losses), "coverage-gap": np.mean(gaps)}
    assert compute_metrics(outcome, expected) == pytest.approx(expected, rel=1e-12)


def test_nothing_to_measure_is_not_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty = Outcome(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
        assert all(np.isnan(value) for value in compute_metrics(empty, METRICS).values())
        constant = Outcome(np.full(3, 0.1), np.array([0.0, 0.1, 0.2]))
        assert np.isnan(compute_metrics(constant, ["r2"])["r2"])
        assert np.isnan(compute_metrics(Outcome(np.ones(3), np.ones(3)), ["quadratic-kappa"])["quadratic-kappa"])
        assert np.isnan(compute_metrics(Outcome(-np.ones(3), np.ones(3)), ["concordance"])["concordance"])
        for classes in (2, 3):
            one_class = Outcome(np.ones(3, np.int64), np.ones(3, np.int64), np.full((3, classes), 1 / classes))
            assert np.isnan(compute_metrics(one_class, ["auc"])["auc"])


@pytest.mark.parametrize("name", sorted(METRICS))
def test_perfect_is_reached_and_has_skill_one(name: str) -> None:
    codes = np.array([0, 1, 1, 0, 1])
    tags = np.array(["O B-a", "B-b I-b", "O"], dtype=object)
    sets = np.array(["a|b", "-", "c"], dtype=object)
    numbers = np.array([1.0, 2.0, 4.0, 5.0])
    special = {
        "entity": Outcome(tags, tags),
        "token": Outcome(tags, tags),
        "micro": Outcome(sets, sets),
        "pinball": Outcome(numbers, np.array([f"0.1:{value} 0.9:{value}" for value in numbers], dtype=object)),
        "coverage": Outcome(numbers, np.array(["0.25:1.5 0.5:2.0 0.75:4.0"] * 4, dtype=object)),
        "concordance": Outcome(numbers, numbers),
    }
    outcome = special.get(name.split("-")[0], Outcome(codes, codes, np.eye(2)[codes]))
    metric = METRICS[name]
    value = metric.function(outcome)
    assert value == pytest.approx(metric.perfect, abs=1e-15)
    worse = metric.perfect - 0.5 if metric.higher_is_better else metric.perfect + 0.5
    assert relative_score(metric, worse, worse) == 0.0
    assert relative_score(metric, metric.perfect, worse) == 1.0
    assert 0 < relative_score(metric, (worse + metric.perfect) / 2, worse) < 1
    assert relative_score(metric, worse, metric.perfect) == 0.0


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ConfigError, match=r"accurracy: unknown metric\. Did you mean 'accuracy'\?"):
        find_metric("accurracy")
    with pytest.raises(DataError, match="auc: this metric needs a probability per class"):
        compute_metrics(Outcome(np.array([0, 1]), np.array([0, 1])), ["auc"])
