"""Pairs of survival times, against all of them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polytask.metrics.concordance_index as concordance
from polytask.metrics.concordance_index import concordant_pairs
from polytask.metrics.metric_functions import METRICS
from polytask.tasks import Outcome

TIMES = st.integers(-4, 4).filter(bool)
UNITS = st.lists(st.tuples(TIMES, st.integers(0, 3)), max_size=12)


def one_by_one(times: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By its definition, with two loops."""
    right, whole = np.zeros(len(times)), np.zeros(len(times))
    for i in range(len(times)):
        for j in range(len(times)):
            before = abs(times[i]) < abs(times[j]) or (abs(times[i]) == abs(times[j]) and times[j] < 0)
            if times[i] > 0 and before:
                score = (predictions[i] < predictions[j]) + (predictions[i] == predictions[j]) / 2
                right[[i, j]] += score
                whole[[i, j]] += 1
    return right, whole


@pytest.mark.parametrize("cells", [1, 20, 1 << 20])
@given(units=UNITS)
def test_pairs_are_those_of_two_loops(units: list[tuple[int, int]], cells: int) -> None:
    times, predictions = (np.array([unit[k] for unit in units], dtype=np.float64) for k in (0, 1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(concordance, "PAIRS_PER_BLOCK", cells)
        found = concordant_pairs(times, predictions)
    expected = one_by_one(times, predictions)
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]


def test_without_gaps_it_is_kendall_s_tau() -> None:
    from scipy.stats import kendalltau

    generator = np.random.default_rng(0)
    times = generator.exponential(size=80)
    predictions = times + generator.normal(size=80)
    found = METRICS["concordance"].function(Outcome(times, predictions))
    assert 2 * found - 1 == pytest.approx(kendalltau(times, predictions).statistic, rel=1e-12)


def test_with_events_at_one_time_it_is_the_area_under_the_curve() -> None:
    """Half of the units have the event at 1, the others are seen until 2 without it."""
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(1)
    stays = generator.random(60) < 0.5
    predictions = np.round(stays + generator.normal(size=60), 1)
    found = METRICS["concordance"].function(Outcome(np.where(stays, -2.0, 1.0), predictions))
    assert found == pytest.approx(roc_auc_score(stays, predictions), rel=1e-12)


def test_reversing_predictions_reverses_it() -> None:
    generator = np.random.default_rng(2)
    times = generator.exponential(size=50) * np.where(generator.random(50) < 0.5, 1, -1)
    scores = np.round(generator.normal(size=50), 1)
    there, back = (METRICS["concordance"].function(Outcome(times, sign * scores)) for sign in (1, -1))
    assert there + back == pytest.approx(1.0, rel=1e-12)
