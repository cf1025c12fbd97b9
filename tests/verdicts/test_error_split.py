"""The split of the error is the closed test of weighted Bonferroni tests, so that the familywise error holds whatever is true."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.verdicts.spending.error_split import (
    FAMILYWISE_LEVEL,
    POOLED_SHARE,
    adjusted_errors,
    holm,
    rejection_levels,
    step_down,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)
NEAR = st.floats(0, 0.2) | st.sampled_from([0.009, 0.0101, 0.0199, 0.021, 0.024, 0.0399, 0.041, 0.049])


def closed_test(pooled: Sequence[float], tasks: Sequence[float], level: float) -> list[bool]:
    """Reject a hypothesis if every intersection that contains it is rejected (Marcus, Peritz & Gabriel, Biometrika 63:655, 1976)."""
    p, kinds = [*pooled, *tasks], [0] * len(pooled) + [1] * len(tasks)
    subsets = [set(subset) for size in range(1, len(p) + 1) for subset in itertools.combinations(range(len(p)), size)]

    def rejected(subset: set[int]) -> bool:
        sizes = [sum(kinds[j] == kind for j in subset) for kind in (0, 1)]
        shares = [POOLED_SHARE, 1 - POOLED_SHARE] if all(sizes) else [float(size > 0) for size in sizes]
        return any(p[j] < level * shares[kinds[j]] / sizes[kinds[j]] for j in subset)

    return [all(rejected(subset) for subset in subsets if i in subset) for i in range(len(p))]


@given(st.lists(NEAR, min_size=1, max_size=2), st.lists(NEAR, min_size=1, max_size=4))
def test_the_split_is_a_closed_test(pooled: list[float], tasks: list[float]) -> None:
    found = np.concatenate(rejection_levels(pooled, tasks)) > 0
    assert found.tolist() == closed_test(pooled, tasks, FAMILYWISE_LEVEL)


@given(st.lists(NEAR, min_size=0, max_size=2), st.lists(NEAR, min_size=1, max_size=4))
def test_adjusted_errors_say_when_a_hypothesis_is_rejected(pooled: list[float], tasks: list[float]) -> None:
    adjusted = np.concatenate(adjusted_errors(pooled, tasks))
    rejected = np.concatenate(rejection_levels(pooled, tasks)) > 0
    apart = np.abs(adjusted - FAMILYWISE_LEVEL) > 1e-9
    assert ((adjusted < FAMILYWISE_LEVEL) == rejected)[apart].all()


def test_error_is_handed_on() -> None:
    assert [own.round(4).tolist() for own in rejection_levels([0.5], [0.022, 0.3])] == [[0.0], [0.0, 0.0]]
    assert [own.round(4).tolist() for own in rejection_levels([0.005], [0.022, 0.3])] == [[0.01], [0.025, 0.0]]
    assert [own.round(4).tolist() for own in rejection_levels([0.03], [0.01, 0.021])] == [[0.05], [0.02, 0.04]]
    assert [own.tolist() for own in rejection_levels([], [0.04])] == [[], [0.05]]


@given(P_VALUES)
def test_holm_adjusts_as_the_step_down_rejects(p: list[float]) -> None:
    values = np.array([round(value / 0.37 * 0.05, 6) for value in p])  # many near the level
    lefts = step_down(values, 0.05)
    apart = np.abs(holm(values) - 0.05) > 1e-9  # where a product and a quotient may round apart
    assert ((lefts > 0) == (holm(values) < 0.05))[apart].all()
    assert (values[lefts > 0] < lefts[lefts > 0]).all()


def test_many_families_at_once() -> None:
    generator = np.random.default_rng(0)
    pooled, tasks = generator.uniform(0, 0.1, size=(200, 1)), generator.uniform(0, 0.1, size=(200, 4))
    together = rejection_levels(pooled, tasks)
    for i in range(200):
        alone = rejection_levels(pooled[i], tasks[i])
        assert all((own[i] == one).all() for own, one in zip(together, alone, strict=True))


@pytest.mark.parametrize("true", [(0,), (1, 2), (0, 1, 2), (0, 1), (1,)])
def test_false_rejections_stay_within_the_error(true: tuple[int, ...]) -> None:
    """Whichever hypotheses are true: true ones have uniform p values, the others those of a large effect."""
    generator = np.random.default_rng(1)
    p = generator.uniform(size=(100_000, 3)) * np.where(np.isin(np.arange(3), true), 1.0, 0.03)
    rejected = np.concatenate(rejection_levels(p[:, :1], p[:, 1:]), axis=1)[:, list(true)] > 0
    assert rejected.any(axis=1).mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100_000)
