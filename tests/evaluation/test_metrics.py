"""Every metric against scikit-learn, and what scikit-learn has no answer for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from polytask.errors import ConfigError, DataError
from polytask.evaluation.metrics import METRICS, Outcome, find_metric, measure, relative
from polytask.evaluation.trivial import trivial_outcome

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
    assert measure(outcome, expected) == pytest.approx(expected, rel=1e-12)


def test_multiclass_auc_is_one_against_rest() -> None:
    outcome = classified(7)
    expected = oracle.roc_auc_score(outcome.targets, outcome.probabilities, multi_class="ovr", average="macro")
    assert measure(outcome, ["auc"])["auc"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_binary_auc_with_ties(seed: int) -> None:
    outcome = classified(seed, classes=2)
    assert outcome.probabilities is not None
    expected = oracle.roc_auc_score(outcome.targets, outcome.probabilities[:, 1])
    assert measure(outcome, ["auc"])["auc"] == pytest.approx(expected, rel=1e-12)


def test_certain_and_wrong_costs_as_much_as_in_scikit_learn() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]])
    outcome = Outcome(np.array([1, 1]), np.array([0, 1]), probabilities)
    expected = oracle.log_loss(outcome.targets, probabilities, labels=[0, 1])
    assert measure(outcome, ["log-loss"])["log-loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_values_against_scikit_learn(seed: int) -> None:
    outcome = regressed(seed)
    truth, guess = outcome.targets, outcome.predictions
    expected = {
        "mae": oracle.mean_absolute_error(truth, guess),
        "rmse": oracle.root_mean_squared_error(truth, guess),
        "r2": oracle.r2_score(truth, guess),
    }
    assert measure(outcome, expected) == pytest.approx(expected, rel=1e-12)


def test_nothing_to_measure_is_not_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty = Outcome(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
        assert all(np.isnan(value) for value in measure(empty, METRICS).values())
        constant = Outcome(np.full(3, 0.1), np.array([0.0, 0.1, 0.2]))
        assert np.isnan(measure(constant, ["r2"])["r2"])
        for classes in (2, 3):
            one_class = Outcome(np.ones(3, np.int64), np.ones(3, np.int64), np.full((3, classes), 1 / classes))
            assert np.isnan(measure(one_class, ["auc"])["auc"])


@pytest.mark.parametrize("name", sorted(METRICS))
def test_perfect_is_reached_and_has_skill_one(name: str) -> None:
    codes = np.array([0, 1, 1, 0, 1])
    tags = np.array(["O B-a", "B-b I-b", "O"], dtype=object)
    outcome = Outcome(tags, tags) if name.startswith(("entity", "token")) else Outcome(codes, codes, np.eye(2)[codes])
    metric = METRICS[name]
    value = metric.function(outcome)
    assert value == pytest.approx(metric.perfect, abs=1e-15)
    worse = metric.perfect - 0.5 if metric.higher_is_better else metric.perfect + 0.5
    assert relative(metric, worse, worse) == 0.0
    assert relative(metric, metric.perfect, worse) == 1.0
    assert 0 < relative(metric, (worse + metric.perfect) / 2, worse) < 1
    assert relative(metric, worse, metric.perfect) == 0.0


def test_trivial_predictors() -> None:
    mean = trivial_outcome("regression", np.array([1.0, 2.0, 6.0]), np.array([0.0, 9.0]))
    assert mean.predictions.tolist() == [3.0, 3.0]
    majority = trivial_outcome("multiclass", np.array([2, 0, 2, 1]), np.array([0, 3]))
    assert majority.predictions.tolist() == [2, 2]
    assert majority.probabilities is not None
    assert majority.probabilities.tolist() == [[0.25, 0.25, 0.5, 0.0]] * 2
    assert len(trivial_outcome("binary", np.array([0, 0]), np.empty(0, np.int64)).targets) == 0
    with pytest.raises(DataError, match="at least one training target"):
        trivial_outcome("binary", np.empty(0, np.int64), np.array([1]))


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ConfigError, match=r"accurracy: unknown metric\. Did you mean 'accuracy'\?"):
        find_metric("accurracy")
    with pytest.raises(DataError, match="auc: this metric needs a probability per class"):
        measure(Outcome(np.array([0, 1]), np.array([0, 1])), ["auc"])
