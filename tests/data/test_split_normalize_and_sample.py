"""Splits, normalization, samplers and fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Normalization, ProportionalSampler, Source, Sources, fingerprint, proportional_batch_sizes, train_validation_split
from polytask.errors import ConfigError, DataError


def source(labels: np.ndarray, name: str = "toy") -> Source:
    return Source(name, np.arange(len(labels), dtype=np.float32).reshape(-1, 1), {"kind": labels})


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda counts: sum(counts) >= 10),
    share=st.floats(0.1, 0.6),
    seed=st.integers(0, 5),
)
def test_a_split_is_a_stratified_partition(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.array([f"class {number}" for number in range(len(counts))]), counts)
    whole = source(labels)
    training, validation = train_validation_split(whole, share, seed)
    assert sorted([*training.units, *validation.units]) == list(range(len(labels)))
    assert len(validation) == round(share * len(labels))
    for number, count in enumerate(counts):
        held_out = int((validation.labels["kind"] == f"class {number}").sum())
        assert abs(held_out - count * len(validation) / len(labels)) < 1
    assert training.inputs[:, 0].tolist() == training.units.tolist(), "rows keep their inputs and their order"
    again, _ = train_validation_split(whole, share, seed)
    assert again.units.tolist() == training.units.tolist()


def test_seeds_differ_and_numbers_are_binned() -> None:
    random = np.random.default_rng(0)
    labels = random.normal(size=1_000)
    labels[::7] = np.nan
    whole = source(labels)
    _, first = train_validation_split(whole, 0.2, 0)
    _, second = train_validation_split(whole, 0.2, 1)
    assert set(first.units) != set(second.units)
    assert np.isnan(first.labels["kind"]).mean() == pytest.approx(np.isnan(labels).mean(), abs=0.005)
    quantile = np.nanquantile(labels, 0.2)
    low = (first.labels["kind"] < quantile).sum() / (~np.isnan(first.labels["kind"])).sum()
    assert low == pytest.approx(0.2, abs=0.01)


def test_several_labels_are_stratified_together() -> None:
    a = np.array(["x", "y"] * 50)
    b = np.repeat(np.array([0, 1], dtype=object), 50)
    b[::10] = None
    whole = Source("toy", np.zeros((100, 1), "float32"), {"a": a, "b": b})
    _, validation = train_validation_split(whole, 0.2, 0)
    assert (validation.labels["a"] == "x").sum() == 10
    assert sum(label is None for label in validation.labels["b"]) == 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        train_validation_split(source(np.arange(10)), share, 0)


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="source 'toy'"):
        train_validation_split(source(np.arange(3)), 0.1, 0)


@pytest.mark.parametrize("shape", [(50, 1, 6, 6), (50, 3, 6, 6), (50, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_normalized_rows_have_mean_0_and_deviation_1(shape: tuple[int, ...], dtype: type) -> None:
    raw = (np.random.default_rng(0).random(shape) * 200 + 10).astype(dtype)
    before = raw.copy()
    scaled = Normalization.fit(raw)(torch.from_numpy(raw))
    others = tuple(axis for axis in range(len(shape)) if axis != 1)
    assert scaled.dtype == torch.float32
    assert scaled.mean(dim=others).abs().max() < 1e-4
    assert (scaled.std(dim=others, correction=0) - 1).abs().max() < 1e-4
    assert np.array_equal(raw, before), "its input is left alone"


def test_a_constant_feature_becomes_0_and_bad_numbers_are_refused() -> None:
    raw = np.array([[1.0, 7.0], [3.0, 7.0]])
    assert Normalization.fit(raw)(torch.from_numpy(raw)).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="finite"):
            Normalization.fit(np.array([[1.0], [bad]]))
    with pytest.raises(DataError, match="at least one training row"):
        Normalization.fit(np.empty((0, 2)))


def test_a_normalization_survives_as_plain_data() -> None:
    fitted = Normalization.fit(np.random.default_rng(0).random((9, 3)))
    assert Normalization.from_dict(fitted.to_dict()) == fitted


@given(rows=st.lists(st.integers(1, 50), min_size=1, max_size=3), batch=st.integers(3, 20), seed=st.integers(0, 3))
def test_an_epoch_passes_through_every_source_once(rows: list[int], batch: int, seed: int) -> None:
    counts = {f"source {number}": count for number, count in enumerate(rows)}
    sampler = ProportionalSampler(counts, dict.fromkeys(counts, batch))
    steps = list(sampler.epoch(0, seed))
    assert len(steps) == sampler.steps
    for name, count in counts.items():
        seen = torch.cat([step[name] for step in steps if name in step])
        assert sorted(seen.tolist()) == list(range(count))
        assert all(len(step[name]) <= batch for step in steps if name in step)


def test_orders_are_a_sources_own() -> None:
    alone = [step["a"].tolist() for step in ProportionalSampler({"a": 30}, {"a": 7}).epoch(2, seed=1)]
    beside = [step["a"].tolist() for step in ProportionalSampler({"b": 90, "a": 30}, {"b": 7, "a": 7}).epoch(2, seed=1) if "a" in step]
    assert alone == beside
    other_epoch = [step["a"].tolist() for step in ProportionalSampler({"a": 30}, {"a": 7}).epoch(3, seed=1)]
    assert alone != other_epoch


def test_batches_are_shared_in_proportion() -> None:
    assert proportional_batch_sizes({"big": 9_000, "small": 1_000}, 100) == {"big": 90, "small": 10}
    assert proportional_batch_sizes({"big": 1_000_000, "small": 1}, 100)["small"] == 1
    with pytest.raises(ConfigError, match="at least one row of every source"):
        proportional_batch_sizes({"a": 1, "b": 1}, 1)


def test_a_fingerprint_sees_every_change() -> None:
    base = source(np.array(["a", "b", None], dtype=object))
    others = [
        Source("toy", base.inputs + 1, base.labels),
        Source("toy", base.inputs, {"kind": np.array(["a", "c", None], dtype=object)}),
        Source("toy", base.inputs, {"sort": base.labels["kind"]}),
        Source("toy", base.inputs, base.labels, np.array([5, 6, 7])),
        Source("toy", base.inputs.astype("float64"), base.labels),
    ]
    prints = [fingerprint(found) for found in (base, *others)]
    assert len(set(prints)) == len(prints)
    assert fingerprint(source(np.array(["a", "b", None], dtype=object))) == prints[0]


def test_a_source_checks_its_lengths_and_the_door_stays_shut() -> None:
    with pytest.raises(DataError, match="2 entries for 3 rows"):
        Source("toy", np.zeros((3, 1)), {"kind": np.zeros(2)})
    opened = []
    sources = Sources((source(np.arange(4)),), lambda: (opened.append(True), ())[1])  # type: ignore[func-returns-value]
    assert (len(sources), sources[0].name, [found.name for found in sources], len(sources[:1])) == (1, "toy", ["toy"], 1)
    assert not opened
