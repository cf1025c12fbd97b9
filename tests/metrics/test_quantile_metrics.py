"""Quantiles as texts: there and back, and what cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import DataError
from polytask.metrics.quantile_metrics import coverage_gap
from polytask.tasks.quantile import read_quantiles, write_quantiles

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_there_and_back_to_the_last_bit(rows: list[tuple[float, float]]) -> None:
    levels, values = read_quantiles(np.array([write_quantiles((0.1, 1 / 3), row) for row in rows], dtype=object))
    assert levels.tolist() == [0.1, 1 / 3]
    assert values.tolist() == [list(row) for row in rows]


@pytest.mark.parametrize(
    "texts",
    [
        ["0.1:1.0", "0.2:1.0"],
        ["0.1:1.0", "0.1:1.0 0.2:2.0"],
        ["12.5"],
        [12.5],
        ["0.1:one"],
        [""],
        ["0.1:nan"],
        ["0.1:inf"],
        ["0.0:1.0"],
        ["1.0:1.0"],
        [],
    ],
)
def test_what_is_no_text_of_quantiles_is_one_line(texts: list[object]) -> None:
    with pytest.raises(DataError, match="quantiles") as caught:
        read_quantiles(np.array(texts, dtype=object))
    assert "\n" not in str(caught.value)


def test_the_gap_is_that_of_the_worst_levels_by_hand() -> None:
    """Half of the targets are below what a tenth should be below, and all below what half should."""
    assert coverage_gap(np.array([0.0, 2.0]), np.array(["0.1:1.0 0.5:3.0"] * 2)) == pytest.approx((0.4 + 0.5) / 2)
