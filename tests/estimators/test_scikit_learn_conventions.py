"""The estimators keep scikit-learn's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from polytask import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor

ESTIMATORS = [kind(preset="quick") for kind in (MultiTaskRegressor, MultiTaskClassifier, MultiTaskEstimator)]
REASONS = {"check_sample_weight_equivalence_on_dense_data": "batches have a fixed number of rows, whatever they weigh"}


@pytest.mark.sampled(8, sweep=2)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: REASONS, xfail_strict=True)
def test_rules(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


X = np.random.default_rng(0).normal(size=(120, 3))
Y = np.column_stack([X[:, 0] + X[:, 1], X[:, 1]])


@pytest.mark.slow
def test_in_a_pipeline_under_a_search_and_cross_validated() -> None:
    pipeline = make_pipeline(StandardScaler(), MultiTaskRegressor(preset="quick", random_state=0))
    search = GridSearchCV(pipeline, {"multitaskregressor__architecture": ["hard", "mmoe(experts=2)"]}, cv=2).fit(X, Y)
    assert len(search.cv_results_["mean_test_score"]) == 2
    scores = cross_validate(MultiTaskClassifier(preset="quick", random_state=0), X, Y[:, 0] > 0, cv=3)["test_score"]
    assert (scores > 0.7).all()


@pytest.mark.slow
def test_metadata_are_routed() -> None:
    """Weights of rows and of tasks reach an estimator through a search."""
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = MultiTaskRegressor(preset="quick", random_state=0).set_fit_request(sample_weight=True, task_weights=True)
        search = GridSearchCV(estimator.set_score_request(sample_weight=True), {"learning_rate": [1e-3, 1e-2]}, cv=2)
        search.fit(X, Y, sample_weight=np.linspace(0.5, 1.5, 120), task_weights={"1": 3.0})
    assert [task.weight for task in search.best_estimator_.tasks_] == [1.0, 3.0]


def test_a_clone_is_unfitted_and_equal() -> None:
    fitted = MultiTaskEstimator({"target": "regression"}, preset="quick", encoder_options={"hidden": (8,)}).fit(X, Y[:, 0])
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    assert not hasattr(again, "network_")


def test_classes_are_as_scikit_learn_has_them() -> None:
    words = np.where(Y > 0, "up", "down")
    one, two = (MultiTaskClassifier(preset="quick", random_state=0).fit(X, labels) for labels in (words[:, 0], words))
    assert one.classes_.tolist() == ["down", "up"]
    assert [classes.tolist() for classes in two.classes_] == [["down", "up"]] * 2
    assert one.predict_proba(X).shape == (120, 2)
    assert two.predict(X).shape == (120, 2)


def test_gaps_in_the_targets_are_rows_without_a_label() -> None:
    gaps = Y.copy()
    gaps[::2, 0] = np.nan
    fitted = MultiTaskRegressor(preset="quick", random_state=0, epochs=60).fit(X, gaps)
    assert fitted.score(X, gaps) > 0.7
    labels = pd.DataFrame({"a": pd.array([1, 0, None] * 40, dtype="Int64"), "b": [True, None, False] * 40})
    assert MultiTaskClassifier(preset="quick").fit(X, labels).predict(X).shape == (120, 2)
