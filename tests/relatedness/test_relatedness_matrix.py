"""Means, intervals and agreement over seeds, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from polytask.errors import DataError
from polytask.relatedness import RelatednessMatrix, rank_correlation
from polytask.relatedness.relatedness_matrix import matrix_from_lists


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 5))
@settings(max_examples=settings.default.max_examples // 3)
def test_intervals_are_students(seed: int, seeds: int, tasks: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(seeds, tasks, tasks))
    values[random.random(values.shape) < 0.2] = np.nan
    found = RelatednessMatrix(tuple(f"t{n}" for n in range(tasks)), tuple(range(seeds)), values)
    for i, j in np.ndindex(tasks, tasks):
        own = values[:, i, j][np.isfinite(values[:, i, j])]
        assert found.mean[i, j] == pytest.approx(own.mean(), nan_ok=True) if len(own) else np.isnan(found.mean[i, j])
        if len(own) < 2:
            assert np.isnan(found.half_width[i, j])
        else:
            low, high = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
            assert (found.mean[i, j] - found.half_width[i, j], found.mean[i, j] + found.half_width[i, j]) == pytest.approx((low, high))


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=settings.default.max_examples // 3)
def test_agreement_is_the_mean_of_spearmans_correlations(seed: int, tasks: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 4, size=(3, tasks, tasks)).astype(float)
    off = ~np.eye(tasks, dtype=bool)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [
        stats.spearmanr(values[a][off], values[b][off])[0] for a, b in pairs if np.ptp(values[a][off]) > 0 and np.ptp(values[b][off]) > 0
    ]
    found = RelatednessMatrix(tuple(map(str, range(tasks))), (0, 1, 2), values).agreement
    assert found == (pytest.approx(np.mean(expected)) if expected else None)


def test_the_diagonal_has_no_part_in_agreement() -> None:
    one, other = np.array([[9.0, 1.0], [2.0, -9.0]]), np.array([[-9.0, 3.0], [4.0, 9.0]])
    assert rank_correlation(one, other) == 1.0
    assert rank_correlation(one, np.full((2, 2), np.nan)) is None
    assert rank_correlation(one, np.array([[0.0, 1.0], [1.0, 0.0]])) is None


def test_what_is_told_from_zero_is_counted() -> None:
    values = np.array([[[1.0, 0.5], [0.1, 1.0]], [[1.0, 0.6], [-0.1, 1.0]], [[1.0, 0.55], [0.0, 1.0]]])
    found = RelatednessMatrix(("a", "b"), (0, 1, 2), values)
    assert found.significant_entries == 1
    assert not found.has_missing_pairs
    assert found.to_dict()["significant_entries"] == 1


def test_gaps_stay_gaps() -> None:
    found = matrix_from_lists(["a", "b"], {3: [[1.0, None], [0.5, 1.0]], 5: [[1.0, None], [None, 1.0]]})
    assert found.has_missing_pairs
    assert found.agreement is None
    assert found.to_dict()["mean"] == [[1.0, None], [0.5, 1.0]]
    assert found.to_dict()["half_width"] == [[0.0, None], [None, 0.0]]
    assert list(found.rows()) == [(3, "a", "a", 1.0), (3, "b", "a", 0.5), (3, "b", "b", 1.0), (5, "a", "a", 1.0), (5, "b", "b", 1.0)]


def test_a_single_seed_has_no_intervals() -> None:
    found = RelatednessMatrix(("a", "b"), (0,), np.ones((1, 2, 2)))
    assert np.isnan(found.half_width).all()
    assert (found.agreement, found.significant_entries) == (None, 0)


def test_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"must have the shape \(1, 2, 2\)"):
        RelatednessMatrix(("a", "b"), (0,), np.ones((2, 2, 2)))
