"""Groups that stay together, parts at once, folds, and parts that the data prescribe."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from polytask.data import Source, fingerprint, k_fold_split, random_split, split_by_column, split_by_time, train_validation_split
from polytask.errors import ConfigError, DataError


def toy(labels: Any, groups: Any = None, name: str = "toy") -> Source:
    rows = len(labels if groups is None else groups)
    return Source(name, np.zeros((rows, 1), "float32"), {} if labels is None else {"kind": np.asarray(labels)}, groups=groups)


SIZES = st.lists(st.integers(1, 12), min_size=3, max_size=25)


@given(sizes=SIZES, shares=st.sampled_from([(0.8, 0.2), (0.6, 0.2, 0.2), (0.5, 0.3, 0.2)]), seed=st.integers(0, 5), data=st.data())
def test_groups_are_never_torn(sizes: list[int], shares: tuple[float, ...], seed: int, data: st.DataObject) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    labels = data.draw(st.lists(st.sampled_from([0, 1, None]), min_size=len(groups), max_size=len(groups)))
    source = toy(np.array(labels, dtype=object), groups)
    wanted = {f"part {number}": share for number, share in enumerate(shares)}
    try:
        parts = random_split(source, wanted, seed)
    except DataError as error:
        assert "too few" in str(error)
        assert min(shares) * len(groups) < max(sizes) * len(shares), "there was room for a group in every part"
        return
    assert sorted(unit for part in parts.values() for unit in part.units) == list(range(len(groups)))
    homes = [set(part.groups.tolist()) for part in parts.values() if part.groups is not None]
    assert sum(map(len, homes)) == len(set().union(*homes)) == len(sizes)
    for name, part in parts.items():
        excess = len(part) - wanted[name] * len(groups)
        assert -(len(shares) - 1) * (max(sizes) + 1) < excess < max(sizes) + 1
    again = random_split(source, wanted, seed)
    assert all(again[name].units.tolist() == part.units.tolist() for name, part in parts.items())


@given(seed=st.integers(0, 20))
def test_many_groups_leave_sizes_and_labels_right(seed: int) -> None:
    """The small of 200 customers come last and settle the sizes: a plain draw of 40 with 1 to 9 rows deviates by √(32 · 2.6²) ≈ 15 rows."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(200), random.integers(1, 10, 200))
    habit = random.random(200)[groups]  # customers differ
    labels = (random.random(len(groups)) < habit).astype(int)
    training, validation = train_validation_split(toy(labels, groups), 0.2, seed)
    assert abs(len(validation) - 0.2 * len(groups)) <= 1
    assert validation.labels["kind"].mean() == pytest.approx(labels.mean(), abs=0.02)
    assert not set(training.groups) & set(validation.groups)  # type: ignore[arg-type]


def test_small_and_large_groups_are_in_both_parts() -> None:
    groups = np.repeat(np.arange(60), np.repeat([1, 10], 30))
    for part in train_validation_split(toy(None, groups), 0.3, 0):
        sizes = np.unique(part.groups, return_counts=True)[1]  # type: ignore[call-overload]
        assert set(sizes.tolist()) == {1, 10}
        assert abs((sizes == 10).mean() - 0.5) < 0.2


def test_groups_of_one_row_are_rows() -> None:
    labels = np.arange(100) % 4
    _, validation = train_validation_split(toy(labels, np.array([f"customer {row}" for row in range(100)])), 0.2, 0)
    assert np.bincount(validation.labels["kind"]).tolist() == [5, 5, 5, 5]


def imbalance(labels: np.ndarray, tests: list[np.ndarray]) -> float:
    """The mean over classes of the deviation, over folds, of the share that a fold has of the class."""
    shares = np.array([np.bincount(labels[rows], minlength=labels.max() + 1) for rows in tests]) / np.bincount(labels)
    return float(shares.std(axis=0).mean())


def test_folds_of_groups_are_as_even_as_those_of_scikit_learn() -> None:
    ours, theirs = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        groups = np.repeat(np.arange(80), random.integers(1, 15, 80))
        labels = np.minimum(random.poisson(random.gamma(1.0, 1.0, 80)[groups]), 3)
        inputs = np.zeros((len(groups), 1))
        ours.append(imbalance(labels, [test for _, test in k_fold_split(toy(labels, groups), 5, seed)]))
        peer = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        theirs.append(imbalance(labels, [test for _, test in peer.split(inputs, labels, groups)]))
    assert np.mean(ours) < 1.1 * np.mean(theirs)


@given(counts=st.lists(st.integers(3, 30), min_size=2, max_size=5), number=st.integers(2, 6), seed=st.integers(0, 5))
def test_folds_cover_and_are_as_even_as_can_be(counts: list[int], number: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    found = list(k_fold_split(toy(labels), number, seed))
    assert sorted(row for _, test in found for row in test) == list(range(len(labels)))
    assert np.ptp([len(test) for _, test in found]) <= 1
    per_fold = np.array([np.bincount(labels[test], minlength=len(counts)) for _, test in found])
    assert (np.ptp(per_fold, axis=0) <= 1).all()
    for training, test in found:
        assert sorted([*training, *test]) == list(range(len(labels)))
        assert (np.diff(training) > 0).all()
    if min(counts) >= number:  # below, scikit-learn warns
        peer = [test for _, test in StratifiedKFold(number, shuffle=True, random_state=seed).split(labels, labels)]
        assert imbalance(labels, [test for _, test in found]) == pytest.approx(imbalance(labels, peer))
    again = k_fold_split(toy(labels), number, seed)
    assert all(
        np.array_equal(first, second) for one, other in zip(found, again, strict=True) for first, second in zip(one, other, strict=True)
    )


def test_folds_of_many_tasks_are_even_in_every_task() -> None:
    """Of 30 rows with a label a plain draw of a fifth has 6 ± 2.2."""
    random = np.random.default_rng(0)
    labels = {f"task {task}": np.where(random.random(300) < 0.5, random.integers(0, 5, 300), np.nan) for task in range(8)}
    source = Source("toy", np.zeros((300, 1)), labels)
    off = []
    for _, test in k_fold_split(source, 5, 0):
        for values in labels.values():
            off += [np.sum(values[test] == key) - np.sum(values == key) / 5 for key in range(5)]
    assert np.sqrt(np.mean(np.square(off))) < 1.1


@given(rows=st.integers(10, 200), share=st.sampled_from([0.1, 0.2, 0.3, 0.7]), seed=st.integers(0, 5))
def test_two_parts_are_those_of_a_split(rows: int, share: float, seed: int) -> None:
    source = toy(np.random.default_rng(seed).integers(0, 3, rows))
    if abs(share * rows % 1 - 0.5) < 1e-6:  # halves are rounded either way
        return
    training, validation = train_validation_split(source, share, seed)
    parts = random_split(source, {"training": 1 - share, "validation": share}, seed)
    assert parts["training"].units.tolist() == training.units.tolist()
    assert parts["validation"].units.tolist() == validation.units.tolist()


@given(rows=st.integers(20, 300), seed=st.integers(0, 5), shares=st.sampled_from([(0.7, 0.15, 0.15), (0.1, 0.1, 0.8), (0.25,) * 4]))
def test_parts_are_right_to_one_row(rows: int, seed: int, shares: tuple[float, ...]) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, rows)
    parts = random_split(toy(labels), {str(number): share for number, share in enumerate(shares)}, seed)
    assert sorted(unit for part in parts.values() for unit in part.units) == list(range(rows))
    for share, part in zip(shares, parts.values(), strict=True):
        assert abs(len(part) - share * rows) < 1
        assert abs(int(part.labels["kind"].sum()) - share * labels.sum()) < 2


@pytest.mark.parametrize("shares", [{}, {"all": 1.0}, {"a": 0.5, "b": 0.4}, {"a": 1.5, "b": -0.5}, {"a": float("nan"), "b": 0.5}])
def test_shares_that_cannot_be(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="fractions"):
        random_split(toy(np.arange(10)), shares, 0)


def test_too_few_rows_or_groups() -> None:
    with pytest.raises(ConfigError, match="two folds"):
        k_fold_split(toy(np.arange(10)), 1, 0)
    with pytest.raises(DataError, match=r"source 'toy': too few rows .*3 rows"):
        k_fold_split(toy(np.arange(3)), 4, 0)
    with pytest.raises(DataError, match=r"too few groups .*2 groups"):
        k_fold_split(toy(np.arange(6), np.repeat(["a", "b"], 3)), 3, 0)
    with pytest.raises(DataError, match="too few groups"):
        train_validation_split(toy(np.arange(6), np.zeros(6)), 0.5, 0)
    with pytest.raises(DataError, match=r"groups, row 2: a row has no group"):
        train_validation_split(toy(np.arange(3), np.array(["a", None, "b"], dtype=object)), 0.4, 0)
    with pytest.raises(DataError, match=r"'groups': .* for 3 rows"):
        Source("toy", np.zeros((3, 1)), {}, groups=np.arange(2))


def test_groups_may_be_called_anything() -> None:
    names = np.array([1, "a", 1, "a"], dtype=object)
    assert [set(part.groups.tolist()) for part in train_validation_split(toy(None, names), 0.5, 0)] in ([{1}, {"a"}], [{"a"}, {1}])  # type: ignore[union-attr]
    with pytest.raises(DataError, match="found 2 groups"):
        k_fold_split(toy(None, names), 3, 0)


def test_two_groups_are_two_parts_whatever_the_share() -> None:
    training, validation = train_validation_split(toy(None, np.repeat(["a", "b"], 5)), 0.1, 0)
    assert len(training) == len(validation) == 5


def test_groups_go_along_and_are_seen() -> None:
    source = toy(np.arange(4), np.array(["a", "b", "a", "b"]))
    assert source.take(np.array([3, 0])).groups.tolist() == ["b", "a"]  # type: ignore[union-attr]
    others = [toy(np.arange(4)), toy(np.arange(4), np.array(["a", "b", "b", "b"])), source]
    assert len({fingerprint(other) for other in others}) == 3


def test_what_is_held_out_comes_before_groups() -> None:
    held_out = np.array([True, False, False, False])
    source = Source("toy", np.zeros((4, 1)), {"kind": np.arange(4)}, held_out=held_out, groups=np.zeros(4))
    assert train_validation_split(source, 0.5, 0)[1].units.tolist() == [0]


@given(times=st.lists(st.integers(0, 8), min_size=2, max_size=40).filter(lambda times: len(set(times)) > 1), share=st.floats(0.05, 0.95))
def test_what_is_held_out_is_later(times: list[int], share: float) -> None:
    moments = np.array(times)
    held_out = split_by_time(moments, share)
    assert 0 < held_out.sum() < len(times)
    assert moments[held_out].min() > moments[~held_out].max()
    nearest = min(abs(np.sum(moments > cut) - share * len(times)) for cut in range(8) if 0 < np.sum(moments > cut) < len(times))
    assert abs(held_out.sum() - share * len(times)) == pytest.approx(nearest)


DATES = ["2023-12-31", "2024-01-31", "2024-01-02"]


@pytest.mark.parametrize(
    "times",
    [
        np.array(DATES),
        np.array(DATES, dtype=object),
        np.array(DATES, dtype="datetime64[s]"),
        np.array([datetime.date.fromisoformat(date) for date in DATES], dtype=object),
        np.array([2023.9, 2024.1, 2024.0]),
        np.array([1, 3, 2], dtype=object),
    ],
)
def test_times_of_any_form(times: np.ndarray) -> None:
    assert split_by_time(times, 0.3).tolist() == [False, True, False]


def test_rows_of_a_source_stand_in_the_order_of_time() -> None:
    assert split_by_time(toy(np.arange(10)), 0.2).tolist() == [False] * 8 + [True] * 2
    groups = np.array(["a", "b", "c", "a", "b", "d", "d", "e", "e", "c"])
    assert set(groups[split_by_time(toy(None, groups), 0.3)]) == {"c", "e"}, "a group is as late as its latest row"
    assert split_by_time(np.arange(10), 0.3, groups).tolist() == split_by_time(toy(None, groups), 0.3).tolist()


@pytest.mark.parametrize(
    ("times", "text"),
    [
        (np.array(["2024-01-01", "31.1.2024"]), r"row 2: a time must be a number or a date .*'31\.1\.2024'"),
        (np.array([1.0, np.nan]), "row 2: a row has no time"),
        (np.array([1, "x", 2], dtype=object), "row 1: a time"),
        (np.array([3, 3]), "at least two different times"),
        (np.array([]), "at least two different times"),
    ],
)
def test_what_is_no_time_is_one_line(times: np.ndarray, text: str) -> None:
    with pytest.raises(DataError, match=text):
        split_by_time(times, 0.5)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_by_time(times, 1.0)


def test_a_column_may_name_the_parts() -> None:
    words = ["Train", "training", "VALIDATION", "valid", "dev ", "test", "train"]
    found = {part: rows.tolist() for part, rows in split_by_column(np.array(words)).items()}
    assert found == {"training": [0, 1, 6], "validation": [2, 3, 4], "test": [5]}
    for wrong in ("holdout", "", None, 1, float("nan")):
        with pytest.raises(DataError, match="split column, row 2: unknown name of a part") as caught:
            split_by_column(np.array(["train", wrong], dtype=object))
        assert repr(wrong) in str(caught.value)
