"""Samplers: which share of the steps each source has, and every row once before any comes again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import (
    ProportionalSampler,
    RoundRobinSampler,
    Sampler,
    ShuffleBufferSampler,
    TemperatureSampler,
    UniformSampler,
    make_sampler,
    proportional_batch_sizes,
)
from polytask.errors import ConfigError

MODES = ("proportional", "temperature", "uniform", "round-robin")
ROWS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1, max_size=4)
each_mode = pytest.mark.parametrize("mode", MODES)


def steps_of(sampler: Sampler, epochs: int, seed: int) -> list[dict[str, list[int]]]:
    return [{source: rows.tolist() for source, rows in step.items()} for epoch in range(epochs) for step in sampler.epoch(epoch, seed)]


def seen_by(steps: list[dict[str, list[int]]], source: str) -> list[int]:
    return [row for step in steps for row in step.get(source, [])]


@each_mode
@given(rows=ROWS, size=st.integers(4, 12), steps=st.none() | st.integers(1, 9), epochs=st.integers(1, 4), seed=st.integers(0, 3))
def test_no_row_comes_twice_before_all_have_come_once(
    mode: str, rows: dict[str, int], size: int, steps: int | None, epochs: int, seed: int
) -> None:
    sampler = make_sampler(mode, rows, size, steps, temperature=3.0)
    assert steps in (None, sampler.steps)
    found = steps_of(sampler, epochs, seed)
    assert len(found) == epochs * sampler.steps
    assert found == steps_of(sampler, epochs, seed)
    assert all(0 < sum(map(len, step.values())) <= size for step in found)
    for source, count in rows.items():
        seen = seen_by(found, source)
        for one_pass in _batched(seen, count):
            assert len(set(one_pass)) == len(one_pass)
            assert set(one_pass) <= set(range(count))


def _batched(rows: list[int], size: int) -> list[list[int]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@each_mode
@given(count=st.integers(1, 50), size=st.integers(1, 12), epoch=st.integers(0, 4), seed=st.integers(0, 3))
def test_one_source_is_passed_through_in_the_order_of_proportional(mode: str, count: int, size: int, epoch: int, seed: int) -> None:
    expected = [step["a"].tolist() for step in ProportionalSampler({"a": count}, {"a": size}).epoch(epoch, seed)]
    found = [step["a"].tolist() for step in make_sampler(mode, {"a": count}, size, None, 5.0).epoch(epoch, seed)]
    assert found == expected


@each_mode
def test_orders_are_a_sources_own(mode: str) -> None:
    """Another source changes how many rows of this one a step has, and not which come first."""
    alone = seen_by(steps_of(make_sampler(mode, {"a": 30}, 6, 8), 2, seed=1), "a")
    beside = seen_by(steps_of(make_sampler(mode, {"b": 20, "a": 30}, 6, 8), 2, seed=1), "a")
    assert beside
    assert alone[: len(beside)] == beside


@each_mode
def test_the_largest_source_is_through_once(mode: str) -> None:
    rows = {"a": 97, "b": 40, "c": 11}
    for epoch in range(3):
        found = [{source: seen.tolist() for source, seen in step.items()} for step in make_sampler(mode, rows, 10).epoch(epoch, seed=0)]
        assert sorted(seen_by(found, "a")) == list(range(97))


def test_temperature_1_passes_through_every_row_once() -> None:
    rows = {"a": 97, "b": 40, "c": 11}
    sampler = TemperatureSampler(rows, batch_size=10, temperature=1.0)
    for epoch in range(3):
        found = [{source: seen.tolist() for source, seen in step.items()} for step in sampler.epoch(epoch, seed=0)]
        assert [sum(map(len, step.values())) for step in found] == [10] * 14 + [8]
        for source, count in rows.items():
            assert sorted(seen_by(found, source)) == list(range(count))


def test_temperature_1_has_the_counts_of_proportional() -> None:
    """Over epochs they are the same; in one step 27 of 40 rows are of `a` on average, with a variance of 40 · 0.675 · 0.325 = 8.8."""
    rows = {"a": 2_700, "b": 900, "c": 400}
    sizes = proportional_batch_sizes(rows, 40)
    sampler = TemperatureSampler(rows, batch_size=40, temperature=1.0)
    counts = Counter[str]()
    for epoch in range(40):
        for step in sampler.epoch(epoch, seed=0):
            counts.update({source: len(seen) for source, seen in step.items()})
    assert {source: count / (40 * sampler.steps) for source, count in counts.items()} == pytest.approx(sizes)
    first = [len(next(sampler.epoch(0, seed)).get("a", ())) for seed in range(400)]
    assert np.mean(first) == pytest.approx(sizes["a"], abs=5 * np.sqrt(8.8 / 400))
    assert np.std(first) > 2, "drawn, not dealt"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("steps", [None, 7])
@pytest.mark.parametrize("temperature", [0.5, 2.0, 5.0, float("inf")])
def test_rows_to_the_power_of_one_over_t(temperature: float, steps: int | None) -> None:
    rows = {"a": 1_000, "b": 100, "c": 10, "none": 0}
    sampler = TemperatureSampler(rows, 8, temperature, steps)
    weights = {source: count ** (1 / temperature) for source, count in rows.items() if count}
    expected = {source: weight / sum(weights.values()) for source, weight in weights.items()}
    assert sampler.probabilities == pytest.approx(expected)
    epochs = 60
    found = steps_of(sampler, epochs, seed=3)
    total = sum(len(seen) for step in found for seen in step.values())
    for source, share in expected.items():
        # Per epoch rounded with a deviation of at most 1/2, and in all by less than one row for what makes an epoch whole.
        assert abs(len(seen_by(found, source)) - share * total) < 5 * 0.5 * np.sqrt(epochs) + epochs * (steps is None)


@pytest.mark.slow
def test_a_source_with_less_than_a_row_in_an_epoch_is_seen_in_some() -> None:
    """1 of 1,001 rows, 40 rows an epoch: 0.04 expected in each, 40 in 1,000 epochs, with a deviation of √(1,000 · 0.04 · 0.96) = 6.2."""
    sampler = TemperatureSampler({"large": 1_000, "one": 1}, 8, 1.0, steps_per_epoch=5)
    assert abs(len(seen_by(steps_of(sampler, 1_000, seed=0), "one")) - 1_000 * 40 / 1_001) < 5 * 6.2


def test_uniform_is_the_limit() -> None:
    rows = {"a": 60, "b": 7, "none": 0}
    assert steps_of(UniformSampler(rows, 8), 2, seed=0) == steps_of(TemperatureSampler(rows, 8, 1e15), 2, seed=0)
    counts = Counter({source: len(seen_by(steps_of(UniformSampler(rows, 8), 1, seed=0), source)) for source in "ab"})
    assert counts == {"a": 60, "b": 60}


def test_round_robin_takes_turns() -> None:
    for steps, epochs in ((None, 2), (5, 4)):
        found = steps_of(RoundRobinSampler({"a": 9, "b": 30, "none": 0, "c": 20}, 10, steps), epochs, seed=0)
        assert ["".join(step) for step in found] == (["a", "b", "c"] * len(found))[: len(found)], "and goes on where an epoch stopped"
    assert len(steps_of(RoundRobinSampler({"a": 9, "b": 30}, 10), 1, seed=0)) == 6


@each_mode
def test_epochs_of_a_number_of_steps_are_cut_from_one_sequence(mode: str) -> None:
    rows = {"a": 23, "b": 11}
    for source in rows:
        short = seen_by(steps_of(make_sampler(mode, rows, 6, 2), 60, seed=4), source)
        assert short[: rows[source]] != short[rows[source] : 2 * rows[source]], "shuffled anew"
        assert sorted(short[: rows[source]]) == list(range(rows[source]))


@given(
    rows=st.dictionaries(st.sampled_from("abc"), st.integers(0, 60), min_size=1),
    size=st.integers(1, 9),
    block=st.integers(1, 12),
    more=st.integers(0, 40),
    epoch=st.integers(0, 2),
)
def test_a_buffer_passes_through_every_row_once(rows: dict[str, int], size: int, block: int, more: int, epoch: int) -> None:
    sampler = ShuffleBufferSampler(rows, dict.fromkeys(rows, size), block, block + more)
    steps = [{source: seen.tolist() for source, seen in step.items()} for step in sampler.epoch(epoch, seed=0)]
    assert len(steps) == sampler.steps
    together = (block + more) // block  # blocks in the buffer
    for source, count in rows.items():
        seen = seen_by(steps, source)
        assert sorted(seen) == list(range(count))
        if block + more >= count:
            plain = ProportionalSampler({source: count}, {source: size})
            assert seen == [row for step in plain.epoch(epoch, seed=0) for row in step.get(source, torch.empty(0)).tolist()]
        elif count % block == 0:
            buffers = _batched(seen, together * block)
            assert all(len({row // block for row in held}) == len(held) // block for held in buffers), "whole blocks"


def test_a_buffer_mixes_blocks_that_lie_apart() -> None:
    sampler = ShuffleBufferSampler({"log": 10_000}, {"log": 100}, block=50, buffer=1_000)
    steps = [step["log"] for step in sampler.epoch(0, seed=0)]
    assert np.mean([len(set((step // 50).tolist())) for step in steps]) > 15  # 20 · (1 − 0.95¹⁰⁰) = 19.9 blocks of 20
    assert steps[0].tolist() != next(sampler.epoch(1, seed=0))["log"].tolist()
    alone = [
        step["log"].tolist() for step in ShuffleBufferSampler({"log": 10_000, "b": 3}, {"log": 100, "b": 3}, 50, 1_000).epoch(0, seed=0)
    ]
    assert alone == [step.tolist() for step in steps]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_sampler("temprature", {"a": 1}, 1), "sampling: .* Did you mean 'temperature'"),
        (lambda: TemperatureSampler({"a": 1}, 1, 0.0), "temperature: .*above 0"),
        (lambda: TemperatureSampler({"a": 1}, 1, float("nan")), "temperature"),
        (lambda: UniformSampler({"a": 1}, 0), "batch_size"),
        (lambda: RoundRobinSampler({"a": 1}, 1, 0), "steps_per_epoch"),
        (lambda: make_sampler("proportional", {"a": 1, "b": 1}, 1), "at least one row of every source"),
        (lambda: make_sampler("proportional", {"a": 1}, 1, 0), "steps_per_epoch"),
        (lambda: ShuffleBufferSampler({"a": 1}, {"a": 1}, block=4, buffer=3), "at least one block"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)
