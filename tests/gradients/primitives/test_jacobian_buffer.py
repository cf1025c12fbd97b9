"""The Jacobian's buffer against matrices that are written down, in one process and in shards of several."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from polytask.gradients.primitives.communicator import SingleProcess
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.jacobian_buffer import JacobianBuffer

TASKS = ("a", "b", "c")
SHAPES = ((2, 3), (3,), (1, 2))
FLAT = FlatParameters({f"layer{number}.weight": torch.zeros(shape, dtype=torch.float64) for number, shape in enumerate(SHAPES)})


class Shard(SingleProcess):  # type: ignore[misc]
    """The view that one process of several has whose rows are the same: reduced sums of `rows`, cut into shards."""

    distributed = True

    def __init__(self, rank: int, processes: int) -> None:
        self.rank, self.processes = rank, processes  # type: ignore[misc]

    def reduce_scatter(self, rows: Tensor) -> Tensor:
        """Every process holds the same part, so that the sum is a multiple."""
        width = -(-rows.shape[1] // self.processes)
        padded = rows.new_zeros(len(rows), width * self.processes)
        padded[:, : rows.shape[1]] = rows * self.processes
        return padded[:, self.rank * width : (self.rank + 1) * width].contiguous()


def gradients(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def filled(order: Sequence[str], parts: int = 1, communicator: SingleProcess | None = None) -> tuple[JacobianBuffer, Tensor]:
    """A buffer with rows in that order of coming, and the matrix (3, P) in the order of the tasks."""
    buffer = JacobianBuffer(FLAT, TASKS, communicator or SingleProcess())
    rows = torch.zeros(len(TASKS), FLAT.size, dtype=torch.float64)
    for part in range(parts):
        for task in order:
            found = gradients(10 * TASKS.index(task) + part)
            buffer.add(task, found)
            rows[TASKS.index(task)] += FLAT.flatten(found)
    return buffer, rows


@given(st.permutations(TASKS), st.integers(1, 3))
def test_rows_add_up_and_come_into_order(order: list[str], parts: int) -> None:
    buffer, rows = filled(order, parts)
    buffer.arrange(TASKS)
    assert torch.equal(buffer.jacobian(), rows)
    assert torch.allclose(buffer.gramians()[0], rows @ rows.T, rtol=1e-13)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    assert torch.allclose(buffer.combined(weights), weights @ rows, rtol=1e-13)


@pytest.mark.parametrize("kept", [("a", "b"), ("a", "c"), ("c",), ()])
def test_tasks_that_are_left_out_leave_no_trace(kept: tuple[str, ...]) -> None:
    buffer = JacobianBuffer(FLAT, TASKS, SingleProcess())
    for number, task in enumerate(TASKS):
        buffer.add(task, [gradient if place == number else None for place, gradient in enumerate(gradients(number))])
    buffer.arrange(TASKS)
    assert buffer.reached() == [True, True, True]
    buffer.arrange(kept)
    assert buffer.reached() == [task in kept for task in TASKS]
    assert buffer.jacobian().shape == (len(kept), FLAT.size)


def test_a_step_does_not_see_the_step_before() -> None:
    buffer, _ = filled(TASKS)
    buffer.arrange(TASKS)
    buffer.clear()
    buffer.add("b", [gradients(0)[0], None, None])
    buffer.arrange(("b",))
    assert buffer.reached() == [True, False, False]
    assert torch.equal(buffer.jacobian()[0], FLAT.flatten([gradients(0)[0], None, None]))


def test_a_task_that_only_others_have_is_a_row_of_zeros() -> None:
    buffer, rows = filled(("a", "c"))
    buffer.arrange(TASKS)
    assert torch.equal(buffer.jacobian(), rows)
    assert not bool(buffer.jacobian()[1].any())


@pytest.mark.parametrize("groups", ["whole", "layer", "matrix"])
@pytest.mark.parametrize("processes", [2, 3, 5])
def test_shards_sum_up_to_the_whole(groups: str, processes: int) -> None:
    whole, _ = filled(TASKS)
    whole.arrange(TASKS)
    total = torch.zeros_like(whole.gramians(groups))  # type: ignore[arg-type]
    pieces = []
    weights = torch.randn(len(total), len(TASKS), dtype=torch.float64)
    for rank in range(processes):
        shard, _ = filled(TASKS, communicator=Shard(rank, processes))
        shard.arrange(TASKS)
        total += shard.gramians(groups) / processes**2  # type: ignore[arg-type]
        pieces.append(shard.combined_in_groups(weights, groups) / processes)  # type: ignore[arg-type]
    assert torch.allclose(total, whole.gramians(groups), rtol=1e-12)  # type: ignore[arg-type]
    assert torch.allclose(torch.cat(pieces)[: FLAT.size], whole.combined_in_groups(weights, groups), rtol=1e-12)  # type: ignore[arg-type]


def test_a_scale_is_taken_out_of_statistics_and_left_in_the_direction() -> None:
    plain, rows = filled(TASKS)
    plain.arrange(TASKS)
    scaled, _ = filled(TASKS)
    scaled.arrange(TASKS, 4.0)
    assert torch.equal(scaled.jacobian(), rows / 4)
    assert torch.allclose(scaled.gramians(), plain.gramians() / 16)
    assert torch.allclose(scaled.norms_of([0, 1, 2]), plain.norms_of([0, 1, 2]) / 4)
    assert torch.equal(scaled.combined(torch.ones(3)), plain.combined(torch.ones(3)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_found(bad: float) -> None:
    buffer, _ = filled(TASKS)
    buffer.add("b", [torch.full(SHAPES[0], bad, dtype=torch.float64), None, None])
    buffer.arrange(TASKS)
    assert buffer.finite() == [True, False, True]
