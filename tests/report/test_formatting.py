from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.metrics import formatting


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "f1"])
def test_shares_are_per_cent_and_their_differences_points(metric: str) -> None:
    assert formatting.format_metric(metric, 0.957) == "95.7 %"
    assert formatting.format_difference(metric, 0.0041) + formatting.display_unit(metric) == "+0.41 points"


@pytest.mark.parametrize(
    ("metric", "number", "spread", "shown"),
    [
        ("rmse", 12.3456, 3.0, "+12.3"),
        ("rmse", -1234.5, 120.0, "-1,234"),
        ("rmse", 0.00001234, 0.000001, "+1.23e-05"),
        ("rmse", 0.0, None, "0.00"),
        ("log-loss", -0.00049, 0.31, "0.00"),
        ("accuracy", -1e-19, 0.01, "0.00"),
        ("accuracy", None, None, "–"),
        ("accuracy", math.nan, None, "–"),
        ("rmse", math.inf, None, "–"),
    ],
)
def test_differences_have_the_digits_of_their_spread(metric: str, number: float | None, spread: float | None, shown: str) -> None:
    assert formatting.format_difference(metric, number, spread) == shown


@given(st.floats(min_value=1e-4, max_value=1e8), st.integers(1, 6))
def test_significant_digits_are_kept(number: float, digits: int) -> None:
    shown = float(formatting.format_significant(number, digits).replace(",", ""))
    assert abs(shown - number) <= 0.5001 * 10.0 ** (math.floor(math.log10(number)) - digits + 1)


@given(st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.floats()), st.sampled_from(["accuracy", "rmse"]))
def test_any_number_can_be_shown(number: float | None, spread: float | None, metric: str) -> None:
    for text in (
        formatting.format_metric(metric, number),
        formatting.format_difference(metric, number, spread),
        formatting.format_magnitude(metric, number),
        formatting.format_short_count(number),
    ):
        assert text
    assert formatting.format_interval(metric, (number, spread)).startswith("[")


@given(st.integers(1, 10**8))
def test_about_never_promises_too_little(number: int) -> None:
    shown = int(formatting.format_rounded_up(number).replace(",", ""))
    assert number <= shown <= 1.11 * number


def test_short_counts_keep_three_digits() -> None:
    assert [formatting.format_short_count(n) for n in (0, 999, 1000, 12_345, 999_600, 5_056_000, None)] == [
        "0",
        "999",
        "1 k",
        "12.3 k",
        "1000 k",
        "5.06 M",
        "–",
    ]
    assert [formatting.format_bytes(n) for n in (512, 503_468_032, None)] == ["512 B", "503 MB", "–"]


def test_no_ratio_without_a_reference() -> None:
    assert formatting.quotient(1.0, None) is None
    assert formatting.quotient(None, 2.0) is None
    assert formatting.quotient(1.0, 0.0) is None
