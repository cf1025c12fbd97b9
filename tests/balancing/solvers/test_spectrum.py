"""Functions of the eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.balancing.solvers import pseudo_inverse_times, symmetric_root


def test_the_pseudo_inverse_is_numpys(case: Any) -> None:
    lengths = case.lengths
    if lengths.max() <= 1e3 * max(lengths.min(), 1e-300) or (lengths == 0).any():  # else the cut is a matter of taste
        G, y = case.gramian, case.J @ np.ones(case.J.shape[1])
        n = len(G)
        expected = np.linalg.pinv(G, rcond=n * np.finfo(float).eps, hermitian=True) @ y
        assert np.allclose(G @ pseudo_inverse_times(G, y), G @ expected, rtol=1e-6, atol=1e-6 * np.abs(y).max())


@pytest.mark.parametrize("mode", ["min", "median", "rmse"])
def test_principal_components_get_the_same_length(case: Any, mode: Any) -> None:
    B = symmetric_root(case.gramian, mode)
    values = np.linalg.eigvalsh(case.gramian)
    kept = values[values > max(values[-1], 0) * len(values) * np.finfo(float).eps]
    if not len(kept):
        assert np.array_equal(B, np.eye(len(B)))
        return
    size = {"min": kept.min(), "median": kept[(len(kept) - 1) // 2], "rmse": kept.mean()}[mode]
    found = np.linalg.eigvalsh(B.T @ case.gramian @ B)
    assert np.allclose(B, B.T, rtol=1e-9, atol=1e-12 * np.abs(B).max())
    if kept.max() <= 1e6 * kept.min():
        assert np.allclose(np.sort(found)[-len(kept) :], size, rtol=1e-6)
        assert np.allclose(np.sort(found)[: -len(kept) or None][: len(B) - len(kept)], 0, atol=1e-6 * size)
