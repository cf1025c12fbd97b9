"""Properties of the direction A(J) that papers prove, on matrices of every scale, rank and kind of stationarity.

J is weakly stationary if a convex combination of its rows vanishes, and strongly stationary if one does in which every row has a weight
above 0.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.sampled(6, sweep=2)

SCALES = (0.0, 2.0**-50, 1.0, 2.0**50)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
ERRORS = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Round-off that conditioning may have enlarged, relative to the rows that are combined."""


def matrices() -> dict[str, Tensor]:
    """Rows in float64 by their kind, of about unit length."""
    generator = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64) / shape[-1] ** 0.5

    found = {f"full {tasks} x {size}": normal(tasks, size) for tasks, size in ((1, 5), (2, 5), (4, 7), (9, 11))}
    found |= {f"rank {rank} of {tasks} x {size}": normal(tasks, rank) @ normal(rank, size) for tasks, size, rank in ((3, 7, 2), (9, 11, 4))}
    for tasks, size, part in ((3, 7, 2), (6, 9, 3)):
        rows, shares = normal(tasks, size), torch.rand(part - 1, generator=generator, dtype=torch.float64) + 0.2
        rows[part - 1] = -(shares @ rows[: part - 1])
        found[f"weakly stationary {tasks} x {size}"] = rows
    for tasks, size in ((2, 5), (5, 7)):
        rows, shares = normal(tasks, size), torch.rand(tasks - 1, generator=generator, dtype=torch.float64) + 0.2
        rows[-1] = -(shares @ rows[:-1])
        found[f"strongly stationary {tasks} x {size}"] = rows
    return found


MATRICES = matrices()


@pytest.fixture(scope="module")
def direction(asked: Any, given: Any) -> Any:
    """The direction (P,) of a fresh balancer of a row for a matrix, in float64, and whether it is one."""

    def ask(row: Any, matrix: Tensor, tasks: tuple[str, ...] | None = None) -> tuple[Tensor, bool]:
        names = tasks or tuple(f"t{number}" for number in range(len(matrix)))
        balancer = row.make(tuple(sorted(names)))
        balancer.seed(5)
        answer, found = asked(balancer, given(matrix, names))
        return found.double(), getattr(answer, "solved", True)

    return ask


@DTYPES
def test_the_direction_is_a_finite_vector_at_every_scale(row: Any, dtype: torch.dtype, direction: Any) -> None:
    for kind, exact in MATRICES.items():
        for scale in SCALES:
            found, _ = direction(row, (exact * scale).to(dtype))
            assert found.shape == exact.shape[1:], kind
            assert bool(torch.isfinite(found).all()), (kind, scale)
            assert scale or not bool(found.any()), kind


@DTYPES
def test_permuted_rows_have_the_same_direction(row: Any, dtype: torch.dtype, direction: Any) -> None:
    if row.random:
        pytest.skip("drawn in the order of the tasks")
    for kind, exact in MATRICES.items():
        if "full" not in kind:
            continue
        for scale in SCALES[1:]:
            rows = (exact * scale).to(dtype)
            names = tuple(f"t{number}" for number in range(len(rows)))
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(len(rows))).tolist()
            first = direction(row, rows)[0]
            second = direction(row, rows[order], tasks=tuple(names[number] for number in order))[0]
            size = max(float(rows.double().norm(dim=1).sum()), float(first.norm()))
            assert float((first - second).norm()) <= ERRORS[dtype] * size, (kind, scale)


@DTYPES
def test_no_row_is_opposed_where_that_is_proved(row: Any, dtype: torch.dtype, direction: Any) -> None:
    if not row.non_conflicting:
        pytest.skip("not proved")
    for kind, exact in MATRICES.items():
        for scale in SCALES:
            rows = (exact * scale).to(dtype)
            found, solved = direction(row, rows)
            lengths = rows.double().norm(dim=1)
            size = float(lengths.sum()) if row.degree == 1 else float(found.norm())
            assert not solved or bool((rows.double() @ found >= -ERRORS[dtype] * lengths * size).all()), (kind, scale)


@DTYPES
def test_it_is_linear_in_the_lengths_of_the_rows_where_that_is_proved(row: Any, dtype: torch.dtype, direction: Any) -> None:
    """A(diag(c) J) is linear in c > 0, where its rows are the same up to their lengths: products are not rounded here."""
    if not row.linear:
        pytest.skip("not proved")
    generator = torch.Generator().manual_seed(2)
    for kind, exact in MATRICES.items():
        for scale in SCALES:
            rows = (exact.bfloat16().double() if dtype == torch.float32 else exact) * scale
            first, second = torch.randint(1, 8, (2, len(rows), 1), generator=generator, dtype=torch.float64) / 4
            parts = [direction(row, (factors * rows).to(dtype))[0] for factors in (first, second, 2.0 * first + 0.5 * second)]
            size = float(rows.norm(dim=1).sum())
            assert float((2.0 * parts[0] + 0.5 * parts[1] - parts[2]).norm()) <= ERRORS[dtype] * 3 * size, (kind, scale)


@DTYPES
def test_only_strongly_stationary_rows_stop_it_where_that_is_proved(row: Any, dtype: torch.dtype, direction: Any) -> None:
    if not row.strong:
        pytest.skip("not proved")
    for kind, exact in MATRICES.items():
        if "full" in kind or "weakly" in kind:
            for scale in SCALES[1:]:
                rows = (exact * scale).to(dtype)
                found, solved = direction(row, rows)
                assert solved, (kind, scale)
                assert float(found.norm()) >= 1e-3 * float(rows.double().norm(dim=1).max()), (kind, scale)


@DTYPES
def test_non_conflicting_directions_vanish_where_rows_are_strongly_stationary(row: Any, dtype: torch.dtype, direction: Any) -> None:
    """If Jᵀ v = 0 with v > 0 and J d ≥ 0, then J d = 0, and d is a combination of rows."""
    if not row.non_conflicting or not row.weighed:
        pytest.skip("not proved")
    for kind, exact in MATRICES.items():
        if "strongly" in kind:
            for scale in SCALES[1:]:
                rows = (exact * scale).to(dtype)
                found, solved = direction(row, rows)
                assert not solved or float(found.norm()) <= ERRORS[dtype] * float(rows.double().norm(dim=1).sum()), (kind, scale)
