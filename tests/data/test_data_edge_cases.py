"""Data at the edges: names that clash, numbers that float32 would round, strata of one row, what is no table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Normalization, ProportionalSampler, Source, Sources, fingerprint, proportional_batch_sizes, train_validation_split
from polytask.errors import DataError


@given(
    a=st.lists(st.sampled_from(["x", "y", None]), min_size=20, max_size=60),
    share=st.floats(0.1, 0.9),
    seed=st.integers(0, 3),
    data=st.data(),
)
def test_every_stratum_gives_its_share(a: list[str | None], share: float, seed: int, data: st.DataObject) -> None:
    b = data.draw(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=len(a), max_size=len(a)))
    whole = Source("toy", np.zeros((len(a), 1)), {"a": np.array(a, dtype=object), "b": np.array(b)})
    training, validation = train_validation_split(whole, share, seed)
    wanted = round(share * len(a))
    assert len(validation) == wanted
    assert sorted([*training.units, *validation.units]) == list(range(len(a)))
    strata = [(left, str(right)) for left, right in zip(a, b, strict=True)]
    for stratum in set(strata):
        count = sum(strata[unit] == stratum for unit in validation.units)
        assert abs(count - strata.count(stratum) * wanted / len(a)) < 1


def test_a_split_does_not_know_other_sources_nor_the_names_of_tasks() -> None:
    labels = np.random.default_rng(0).integers(0, 3, 90)
    one, other = (Source(name, np.zeros((90, 1)), {task: labels}) for name, task in (("a", "x"), ("b", "units")))
    assert train_validation_split(one, 0.2, 5)[1].units.tolist() == train_validation_split(other, 0.2, 5)[1].units.tolist()


@pytest.mark.parametrize("kind", ["float", "object", "integer", "unsigned"])
def test_numbers_are_binned_whatever_their_type(kind: str) -> None:
    """Were every number a stratum of its own, the classes beside it would not be stratified."""
    numbers: Any = np.random.default_rng(1).permutation(1_000)
    numbers = {"float": np.float64, "object": object, "integer": np.int64, "unsigned": np.uint32}[kind], numbers
    values = numbers[1].astype(numbers[0])
    if kind == "object":
        values[5] = None
    classes = np.where(np.arange(1_000) % 10 == 0, "rare", "often")
    _, validation = train_validation_split(Source("toy", np.zeros((1_000, 1)), {"price": values, "class": classes}), 0.2, 0)
    assert abs(int((validation.labels["class"] == "rare").sum()) - 20) <= 5
    fifths = np.array([200 if value is None else int(value) for value in validation.labels["price"]]) // 200
    assert np.abs(np.bincount(fifths, minlength=5) - 40).max() <= 3


def test_integers_that_are_many_classes_are_classes() -> None:
    labels = np.repeat(np.arange(40), 10)
    _, validation = train_validation_split(Source("toy", np.zeros((400, 1)), {"class": labels}), 0.2, 0)
    assert np.bincount(validation.labels["class"]).tolist() == [2] * 40


@given(number=st.floats(-1e6, 1e6), rows=st.integers(1, 40))
def test_a_constant_feature_has_the_deviation_1(number: float, rows: int) -> None:
    fitted = Normalization.fit(np.column_stack([np.full(rows, number), np.arange(rows)]))
    assert fitted.deviation[0] == 1.0
    later = fitted(torch.tensor([[number + 1.0, 0.0]], dtype=torch.float64))
    assert later[0, 0].item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_a_large_offset_is_taken_off_before_it_is_rounded(features: int, dtype: type) -> None:
    raw = (np.random.default_rng(0).normal(size=(500, features)) * 50 + 1.6e9).astype(dtype)
    before = raw.copy()
    scaled = Normalization.fit(raw)(torch.from_numpy(raw))
    assert scaled.dtype == torch.float32
    assert torch.allclose(scaled.double(), torch.from_numpy((raw - raw.mean(axis=0)) / raw.std(axis=0)), atol=1e-5)
    assert np.array_equal(raw, before)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.int64, torch.float16])
def test_nothing_is_written_into_the_inputs(dtype: torch.dtype) -> None:
    raw = torch.arange(12).reshape(6, 2).to(dtype)
    before = raw.clone()
    scaled = Normalization((1.0, 2.0), (2.0, 4.0))(raw)
    assert torch.equal(raw, before)
    assert scaled.dtype == torch.float32
    assert scaled[1].tolist() == [0.5, 0.25]


def test_statistics_are_the_training_rows_alone() -> None:
    training, other = np.array([[0.0], [2.0]]), np.array([[100.0]])
    fitted = Normalization.from_dict(json.loads(json.dumps(Normalization.fit(training).to_dict())))
    assert fitted(torch.from_numpy(other)).item() == 99.0


@pytest.mark.parametrize("inputs", [np.arange(4.0), np.array([["a"], ["b"]]), np.array([[1], [None]], dtype=object)])
def test_what_is_no_table_of_numbers(inputs: np.ndarray) -> None:
    with pytest.raises(DataError, match="inputs must be numbers"):
        Normalization.fit(inputs)


@pytest.mark.parametrize("name", ["inputs", "units", "a b"])
def test_a_task_of_any_name_hides_nothing_from_the_fingerprint(name: str) -> None:
    def made(inputs: float = 0.0, unit: int = 0, label: Any = 0) -> str:
        return fingerprint(Source("toy", np.full((2, 1), inputs), {name: np.array([label, 1], dtype=object)}, np.array([unit, 9])))

    prints = [made(), made(inputs=1.0), made(unit=1), made(label=2), made(label=None), made(label="0")]
    assert len(set(prints)) == len(prints)
    assert made() == prints[0]


def test_a_task_may_be_called_units_and_is_checked_too() -> None:
    with pytest.raises(DataError, match="1 entries for 2 rows"):
        Source("toy", np.zeros((2, 1)), {"units": np.array([3])})


@pytest.mark.parametrize("labels", [np.zeros((2, 1)), np.full((3, 2), "a"), np.float64(3.0)])
def test_a_row_has_one_label(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"source 'toy', 'kind': .* for 3 rows"):
        Source("toy", np.zeros((3, 1)), {"kind": labels})


def test_one_number_is_no_input() -> None:
    with pytest.raises(DataError, match="one row per input"):
        Source("toy", np.float64(3.0), {})  # type: ignore[arg-type]


def test_the_door_opens_when_it_is_called_and_only_then() -> None:
    opened: list[int] = []
    train, test = (Source(name, np.zeros((4, 1)), {"kind": np.arange(4)}) for name in ("train", "test"))

    def open_test() -> tuple[Source, ...]:
        opened.append(1)
        return (test,)

    sources = Sources((train,), open_test)
    assert [list(sources), sources[0], sources[:], train in sources, len(sources), repr(sources) != ""]
    assert (sources.index(train), list(reversed(sources)), sources.count(train)) == (0, [train], 1)
    for source in sources:
        train_validation_split(source, 0.5, 0), fingerprint(source)
    assert not opened
    assert sources.open_test is not None
    assert sources.open_test() == (test,)
    assert opened == [1]
    assert Sources((train,)).open_test is None


def test_a_source_without_rows_is_absent_from_every_step() -> None:
    steps = list(ProportionalSampler({"none": 0, "some": 3}, {"none": 2, "some": 2}).epoch(0, seed=0))
    assert [sorted(step) for step in steps] == [["some"], ["some"]]


@given(rows=st.integers(1, 60), size=st.integers(1, 20), epoch=st.integers(0, 3), seed=st.integers(0, 3))
def test_steps_are_full_but_for_the_last(rows: int, size: int, epoch: int, seed: int) -> None:
    sampler = ProportionalSampler({"a": rows}, {"a": size})
    sizes = [len(step["a"]) for step in sampler.epoch(epoch, seed)]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert sum(sizes) == rows
    again = [step["a"].tolist() for step in sampler.epoch(epoch, seed)]
    assert again == [step["a"].tolist() for step in sampler.epoch(epoch, seed)]


def test_two_sources_of_one_size_are_shuffled_differently() -> None:
    step = next(ProportionalSampler({"a": 50, "b": 50}, {"a": 50, "b": 50}).epoch(0, seed=0))
    assert step["a"].tolist() != step["b"].tolist()


def test_equal_claims_to_a_row_are_settled_by_lot() -> None:
    """Two classes of 5 rows each and 1 row for validation: either class may give it."""
    whole = Source("toy", np.zeros((10, 1)), {"class": np.repeat(["a", "b"], 5)})
    assert {train_validation_split(whole, 0.1, seed)[1].labels["class"][0] for seed in range(20)} == {"a", "b"}


def test_a_fingerprint_knows_types_whose_bytes_agree() -> None:
    prints = {fingerprint(Source("toy", np.zeros((2, 1), dtype), {})) for dtype in ("float32", "int32", "uint32")}
    assert len(prints) == 3


ROWS = st.dictionaries(st.text(max_size=3), st.integers(1, 10**7), min_size=1, max_size=8)


@given(rows=ROWS, extra=st.integers(0, 2_000))
def test_a_batch_is_given_out_whole(rows: dict[str, int], extra: int) -> None:
    batch = len(rows) + extra
    sizes = proportional_batch_sizes(rows, batch)
    assert sum(sizes.values()) == batch
    assert min(sizes.values()) >= 1
    total = sum(rows.values())
    for source, size in sizes.items():
        assert size == 1 or size * total < batch * rows[source] + total, "more than its share, rounded up"
        assert all(sizes[other] >= size for other in rows if rows[other] > rows[source]), "a larger source gives no fewer rows"
    if all(batch * count >= total for count in rows.values()):  # nobody needs more than its share
        assert all(size * total > batch * rows[source] - total for source, size in sizes.items()), "less than its share, rounded down"


@pytest.mark.parametrize(
    ("rows", "batch", "expected"),
    [
        ({"a": 1, "b": 1, "c": 1}, 256, [86, 85, 85]),  # 85.3 each: rounding gave 255
        ({"a": 5, "b": 5, "c": 10}, 6, [2, 1, 3]),  # 1.5, 1.5 and 3: rounding to even gave 7
        ({"big": 10**6, "b": 1, "c": 1, "d": 1}, 8, [5, 1, 1, 1]),  # one row each gave 11
    ],
)
def test_batches_that_rounding_would_change(rows: dict[str, int], batch: int, expected: list[int]) -> None:
    assert list(proportional_batch_sizes(rows, batch).values()) == expected
