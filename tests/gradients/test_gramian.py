"""Cosines from inner products, whatever rounding the products have seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polytask.gradients import Conflicts
from polytask.gradients.primitives.gramian import cosine_matrix


def rounded_products(seed: int, tasks: int) -> Tensor:
    """(T, T) J Jᵀ of rows that nearly are multiples of one, as a processor may give it: every entry off by some units in the last place."""
    random = np.random.default_rng(seed)
    rows = random.choice([-1.0, 1.0], size=(tasks, 1)) * (random.normal(size=7) + 1e-9 * random.normal(size=(tasks, 7)))
    return torch.from_numpy(rows @ rows.T * (1 + 4 * np.finfo(float).eps * random.normal(size=(tasks, tasks))))


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(max_examples=settings.default.max_examples // 3)
def test_rounding_breaks_neither_symmetry_nor_diagonal_nor_bounds(seed: int, tasks: int) -> None:
    products = rounded_products(seed, tasks)
    for found in (cosine_matrix(products, where_zero=torch.nan), Conflicts(tuple("abcdef"[:tasks]), products).cosines):
        assert torch.equal(found, found.T)
        assert found.diagonal().tolist() == [1.0] * tasks
        assert found.abs().max() <= 1.0
        lengths = products.diagonal().sqrt()
        assert found.numpy() == pytest.approx((products / torch.outer(lengths, lengths)).numpy(), abs=1e-14)


def test_only_a_row_of_zeros_has_no_direction() -> None:
    products = torch.tensor([[4.0, 0.0, -2.0], [0.0, 0.0, 0.0], [-2.0, 0.0, 1.0]])
    assert cosine_matrix(products, where_zero=0.0).tolist() == [[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]]
    assert cosine_matrix(products, where_zero=torch.nan).isnan().tolist() == [[False, True, False], [True] * 3, [False, True, False]]


def test_what_is_not_finite_stays_unknown() -> None:
    products = torch.tensor([[1.0, torch.nan], [torch.nan, torch.inf]])
    assert cosine_matrix(products, where_zero=0.0).isnan().tolist() == [[False, True], [True, True]]
