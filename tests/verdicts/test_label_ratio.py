"""The labels that joint training needs: exact curves, Fieller's interval by search, and its coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from polytask.errors import DataError
from polytask.verdicts.estimates.label_ratio import label_ratio

LABELS = np.array([50, 100, 200, 400])


def curves(ratio: float, seeds: int, spread: float, random: np.random.Generator, slope: float = -0.4) -> tuple[Any, Any]:
    """Errors of both arms, with a deviation of each seed and each network."""
    common = random.normal(0, spread, (seeds, 1))
    single = slope * np.log(LABELS) + common + random.normal(0, spread, (seeds, 4))
    joint = slope * np.log(LABELS / ratio) + common + random.normal(0, spread, (seeds, 4))
    return np.exp(single), np.exp(joint)


@pytest.mark.parametrize("ratio", [0.25, 0.8, 1.0, 3.0])
def test_exact_curves_give_the_ratio(ratio: float) -> None:
    single, joint = curves(ratio, 3, 0.0, np.random.default_rng(0))
    found = label_ratio(LABELS, single, joint)
    assert found.ratio == pytest.approx(ratio)
    assert found.slope == pytest.approx(-0.4)
    assert found.interval == pytest.approx((ratio, ratio), rel=1e-6)


def test_the_interval_is_the_set_that_the_t_test_accepts() -> None:
    random = np.random.default_rng(1)
    single, joint = curves(0.6, 6, 0.1, random)
    found = label_ratio(LABELS, single, joint)
    centered = np.log(LABELS) - np.log(LABELS).mean()
    slopes = (np.log(single) + np.log(joint)) / 2 @ centered / (centered @ centered)
    gains = (np.log(single) - np.log(joint)).mean(axis=1)
    candidates = np.linspace(-3, 3, 20_001)
    kept = candidates[stats.ttest_1samp(gains[:, None] - slopes[:, None] * candidates, 0).pvalue >= 0.05]
    assert found.interval is not None
    assert np.log(found.interval) == pytest.approx((kept[0], kept[-1]), abs=1e-3)


def test_the_interval_covers_the_ratio() -> None:
    random = np.random.default_rng(2)
    missed = 0
    for _ in range(1_000):
        found = label_ratio(LABELS, *curves(0.7, 5, 0.15, random))
        missed += found.interval is not None and not found.interval[0] <= 0.7 <= found.interval[1]
    assert missed <= 70, "at most 5 % of 1,000, and 2.9 standard deviations"


def test_labels_without_effect_give_no_interval() -> None:
    random = np.random.default_rng(3)
    bounded = sum(label_ratio(LABELS, *curves(1.0, 5, 0.2, random, slope=0.0)).interval is not None for _ in range(400))
    assert bounded <= 20, "a negative slope beyond doubt in 2.5 % of 400, and 3 standard deviations"


def test_labels_that_do_harm_give_no_interval() -> None:
    assert label_ratio(LABELS, *curves(1.0, 5, 0.01, np.random.default_rng(3), slope=0.4)).interval is None


def test_the_order_of_the_seeds_and_the_unit_of_the_error_do_not_matter() -> None:
    single, joint = curves(0.5, 5, 0.1, np.random.default_rng(4))
    first, second = label_ratio(LABELS, single, joint), label_ratio(LABELS, 100 * single[::-1], 100 * joint[::-1])
    assert second.ratio == pytest.approx(first.ratio)
    assert second.interval == pytest.approx(first.interval)


@pytest.mark.parametrize(
    ("labels", "single", "joint"),
    [
        (LABELS, np.ones((1, 4)), np.ones((1, 4))),
        (LABELS, np.ones((3, 3)), np.ones((3, 3))),
        ([5, 5], np.ones((3, 2)), np.ones((3, 2))),
        (LABELS, np.zeros((3, 4)), np.ones((3, 4))),
        (LABELS, np.full((3, 4), np.nan), np.ones((3, 4))),
    ],
)
def test_what_has_no_ratio_is_refused(labels: Any, single: Any, joint: Any) -> None:
    with pytest.raises(DataError):
        label_ratio(labels, single, joint)
