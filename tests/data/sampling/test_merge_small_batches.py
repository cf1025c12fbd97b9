"""No step has too few rows of a source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from polytask.data import ProportionalSampler, Sampler, ShuffleBufferSampler, make_sampler
from polytask.data.sampling.merge_small_batches import with_minimum_rows

SAMPLERS = ("proportional", "temperature", "uniform", "round-robin")


def plain(steps: Iterable[Mapping[str, Tensor]]) -> list[dict[str, list[int]]]:
    """Convert tensors to lists."""
    return [{source: rows.tolist() for source, rows in step.items()} for step in steps]


def check(sampler: Sampler, least: int, epochs: int = 2) -> None:
    """Check that nothing is too small, nothing is added, the order is kept, and little is left out."""
    for epoch in range(epochs):
        asked, found = plain(sampler.epoch(epoch, 3)), plain(with_minimum_rows(sampler.epoch(epoch, 3), least))
        assert found == plain(with_minimum_rows(sampler.epoch(epoch, 3), least))
        assert all(len(rows) >= least for step in found for rows in step.values())
        assert all(found)
        for source in {source for step in asked for source in step}:
            before = [row for step in asked for row in step.get(source, ())]
            after = [row for step in found for row in step.get(source, ())]
            assert after == before[: len(after)]
            assert len(before) - len(after) < least
        if all(len(rows) >= least for step in asked for rows in step.values()):
            assert asked == found


@pytest.mark.sampled(3, sweep=3)
@pytest.mark.parametrize("batch_size", [64, pytest.param(16, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_size_of_a_small_source(name: str, batch_size: int) -> None:
    for rows in range(1, 65):
        check(make_sampler(name, {"large": 1_000, "small": rows}, batch_size), 2, epochs=1)


@given(
    name=st.sampled_from(SAMPLERS),
    rows=st.lists(st.integers(1, 70), min_size=1, max_size=3),
    batch_size=st.integers(3, 20),
    steps=st.none() | st.integers(1, 9),
    least=st.integers(1, 6),
)
def test_any_sources(name: str, rows: list[int], batch_size: int, steps: int | None, least: int) -> None:
    check(make_sampler(name, {f"s{n}": count for n, count in enumerate(rows)}, batch_size, steps, 0.7), least)


@pytest.mark.parametrize("rows", [33, 49, 64, 65])
def test_batches_of_given_sizes_and_buffers(rows: int) -> None:
    sizes = {"large": 32, "small": 1}
    check(ProportionalSampler({"large": rows, "small": 9}, sizes), 2)
    check(ShuffleBufferSampler({"large": rows, "small": 9}, sizes, block=4, buffer=16), 2)


def test_a_custom_sampler_may_yield_empty_steps() -> None:
    steps = [{}, {"a": torch.tensor([0])}, {"a": torch.tensor([1, 2])}]
    assert plain(with_minimum_rows(steps, 2)) == [{}, {"a": [0, 1, 2]}]
