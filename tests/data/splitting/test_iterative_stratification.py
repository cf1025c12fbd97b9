"""Rows chosen so that every label gives its share, however many tasks and gaps there are."""

from __future__ import annotations

import time
import timeit
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.data import Source, train_validation_split
from polytask.data.splitting.iterative_stratification import iterative_sample, stratified_sample
from polytask.data.splitting.label_keys import flat_key_ids, make_label_keys, stratum_ids


def many_tasks(rows: int, tasks: int, gaps: float, seed: int) -> dict[str, np.ndarray]:
    """Numbers, integers and words by turns; every other task has gaps."""
    random = np.random.default_rng(seed)
    labels = {}
    for task in range(tasks):
        kinds = (
            random.normal(size=rows),
            random.integers(0, 2 + task, rows).astype(np.float64),
            np.array([f"kind {number}" for number in range(6)], dtype=object)[np.minimum(random.geometric(0.5, rows) - 1, 5)],
        )
        labels[f"task {task}"] = kinds[task % 3]
        if task % 2:
            labels[f"task {task}"][random.random(rows) < gaps] = None
    return labels


def deviations(keys: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How far each label is from its share, in units of the deviation of a plain draw: of labels where that is at least 2 rows."""
    labels, count = flat_key_ids(keys)
    there, share = labels >= 0, chosen.mean()
    rows = np.bincount(labels[there], minlength=count)
    got = np.bincount(labels[chosen][there[chosen]], minlength=count)
    plain = np.sqrt(share * (1 - share) * rows)
    found: np.ndarray = (got - share * rows)[plain >= 2] / plain[plain >= 2]
    return found


@settings(max_examples=settings.default.max_examples // 3)
@given(seed=st.integers(0, 1_000), rows=st.integers(400, 1_500), share=st.sampled_from([0.1, 0.2, 0.5]), gaps=st.floats(0.0, 0.9))
def test_every_label_of_many_tasks_gives_its_share(seed: int, rows: int, share: float, gaps: float) -> None:
    """A plain draw of a label's n rows deviates by √(n · share · (1 − share)), on average 1 in that unit.

    Rounding alone costs up to half a row, a quarter of the smallest unit. The 0.4 asked for here is reached by a plain draw of 30
    independent labels with probability 10⁻⁷, of 60 with 10⁻¹⁴ (χ² of so many degrees of freedom below 0.4² of them).
    """
    keys = make_label_keys(many_tasks(rows, 12, gaps, seed), rows)
    chosen = stratified_sample(keys, round(share * rows), np.random.default_rng(seed))
    assert chosen.sum() == round(share * rows)
    found = deviations(keys, chosen)
    assert np.sqrt((found**2).mean()) < 0.4
    plain = np.random.default_rng(seed).permutation(chosen)
    assert np.sqrt((found**2).mean()) < 0.6 * np.sqrt((deviations(keys, plain) ** 2).mean())


@given(seed=st.integers(0, 100), rows=st.integers(5, 80), tasks=st.integers(1, 6), classes=st.integers(2, 6), share=st.floats(0.05, 0.95))
def test_strata_of_any_size_are_rounded_down_or_up(seed: int, rows: int, tasks: int, classes: int, share: float) -> None:
    wanted = round(share * rows)
    keys = np.random.default_rng(seed).integers(-1, classes, (rows, tasks))
    chosen = stratified_sample(keys, wanted, np.random.default_rng(seed))
    assert chosen.sum() == wanted
    strata = stratum_ids(keys)
    exact = np.bincount(strata) * wanted / rows
    assert (np.abs(np.bincount(strata, weights=chosen, minlength=len(exact)) - exact) < 1).all()
    assert np.array_equal(chosen, stratified_sample(keys, wanted, np.random.default_rng(seed)))


def by_lots(strata: np.ndarray, wanted: int, generator: np.random.Generator) -> np.ndarray:
    """Largest remainders, ties by lot, and then a plain draw within each stratum."""
    counts = np.bincount(strata)
    exact = counts * (wanted / len(strata))
    quota = np.floor(exact).astype(int)
    lots = generator.permutation(len(counts))
    for stratum in sorted(range(len(counts)), key=lambda place: -(exact - quota)[lots[place]])[: wanted - quota.sum()]:
        quota[lots[stratum]] += 1
    chosen = np.zeros(len(strata), dtype=bool)
    for row in generator.permutation(len(strata)):
        if quota[strata[row]]:
            quota[strata[row]] -= 1
            chosen[row] = True
    return chosen


@given(seed=st.integers(0, 50), tasks=st.integers(1, 3), share=st.floats(0.1, 0.9))
def test_large_strata_are_drawn_by_largest_remainders(seed: int, tasks: int, share: float) -> None:
    keys = np.random.default_rng(seed).integers(-1, 2, (300, tasks))  # at most 27 strata
    wanted = round(share * 300)
    strata = pd.DataFrame(keys).groupby(list(range(tasks))).ngroup().to_numpy()
    assert np.array_equal(
        stratified_sample(keys, wanted, np.random.default_rng(seed)), by_lots(strata, wanted, np.random.default_rng(seed))
    )


def test_the_rows_that_a_seed_drew_stay_those() -> None:
    random = np.random.default_rng(7)
    numbers, classes = random.normal(size=60), random.integers(0, 2, 60)
    _, validation = train_validation_split(Source("toy", np.zeros((60, 1)), {"number": numbers, "class": classes}), 0.2, 0)
    assert validation.units.tolist() == [4, 10, 19, 20, 23, 27, 30, 34, 35, 36, 43, 55]


def test_a_rare_class_is_found_among_many_tasks() -> None:
    """5 of 1,000 rows: a plain draw of a fifth finds none of them in a third of the cases (0.8⁵)."""
    for seed in range(20):
        labels = many_tasks(1_000, 12, 0.4, seed)
        labels["rare"] = np.where(np.arange(1_000) % 200 == seed, "yes", "no")
        keys = make_label_keys(labels, 1_000)
        assert stratified_sample(keys, 200, np.random.default_rng(seed))[seed::200].sum() == 1


def test_gaps_are_no_label() -> None:
    """Rows that have no label but one fill up what is missing, and no more."""
    keys = np.full((90, 3), -1)
    keys[:30, 0] = np.arange(30) % 3
    chosen = iterative_sample(keys, np.full(90, 0.2), 18, np.random.default_rng(0))
    assert chosen.sum() == 18
    assert [int(chosen[:30][keys[:30, 0] == key].sum()) for key in range(3)] == [2, 2, 2]


def test_a_task_whose_labels_are_all_different_hides_nothing() -> None:
    names = np.array([f"name {row}" for row in range(400)], dtype=object)
    keys = make_label_keys({"name": names, "kind": np.arange(400) % 4, "size": np.random.default_rng(0).normal(size=400)}, 400)
    chosen = stratified_sample(keys, 80, np.random.default_rng(0))
    assert np.abs(np.bincount(keys[chosen, 1]) - 20).max() <= 1
    assert np.abs(np.bincount(keys[chosen, 2])[1:] - 16).max() <= 1


@pytest.mark.parametrize("wanted", [0, 7])
def test_none_and_all_can_be_chosen(wanted: int) -> None:
    keys = np.arange(14).reshape(7, 2) % 3
    assert stratified_sample(keys, wanted, np.random.default_rng(0)).sum() == wanted


@pytest.mark.parametrize("copies", [2, 4])
def test_strata_that_give_whole_rows_leave_nothing_to_decide(copies: int) -> None:
    keys = np.repeat(np.arange(12).reshape(6, 2), copies, axis=0)
    assert stratified_sample(keys, 3 * copies, np.random.default_rng(0)).reshape(6, copies).sum(axis=1).tolist() == [copies // 2] * 6


@pytest.mark.slow
def test_time_grows_with_the_rows_and_no_faster() -> None:
    fastest = {}
    for rows in (20_000, 200_000):
        source = Source("toy", np.zeros((rows, 1), dtype=np.float32), many_tasks(rows, 12, 0.4, seed=0))
        fastest[rows] = min(timeit.repeat(partial(train_validation_split, source, 0.2, 0), timer=time.process_time, repeat=3, number=1))
    assert fastest[200_000] < 30 * fastest[20_000]  # linear: 10 times; quadratic: 100
