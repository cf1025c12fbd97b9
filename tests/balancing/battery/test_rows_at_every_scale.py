"""Rows in float32 and bfloat16 through `Backward`: dependent, nearly parallel, nearly stationary, short and zero rows.

The reference is the same balancer on the same rows in float64, which are exact there, with the same rule of what counts as zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import (
    CrossGramian,
    Jacobian,
    Lookahead,
    Losses,
    MatrixStatistic,
    Nothing,
    Representations,
    Weights,
    answer_to_direction,
)
from polytask.gradients import Backward

TASKS, SIZE = ("t0", "t1", "t2"), 400
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Largest relative error of the direction: what rounding the result to its dtype leaves, with some room."""
RUNNING_MEANS = {"db-mtl": 35}
"""Methods that combine running means of rows, kept in the rows' dtype, and the power of ten down to which these keep their precision."""


class Given(torch.autograd.Function):
    """A loss of 1 with a given gradient."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, row: Tensor) -> Tensor:
        """Return 1."""
        ctx.save_for_backward(row)
        return torch.ones(())

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """Return the row."""
        (row,) = ctx.saved_tensors
        return row * slopes[0].to(row), None


class Rounded(MatrixStatistic):
    """Rows in float64 that were rounded to another dtype before."""

    epsilon: float

    @property
    def round_off(self) -> float:
        """Machine epsilon of the other dtype."""
        return self.epsilon


def structures() -> Iterator[tuple[str, Tensor, int]]:
    """Names of the structures, their rows, and the power of ten by which the last row is short."""
    generator = torch.Generator().manual_seed(3)
    a, b, c = (torch.randn(SIZE, generator=generator, dtype=torch.float64) / SIZE**0.5 for _ in range(3))
    yield "a total beside its parts", torch.stack([a, b, 0.7 * (a + b)]), 0
    yield "a difference", torch.stack([a, b, a - b]), 0
    yield "nearly parallel", torch.stack([a, a + 1e-4 * b, a + 1e-4 * c]), 0
    for power in range(1, 7):
        yield f"stationary up to 1e-{power}", torch.stack([a, b, -(0.5 * a + 0.8 * b) + 10.0**-power * c]), 0
    for power in (*range(0, 46, 3), 38):
        yield f"short by 1e-{power}", torch.stack([a, b - 0.3 * a, (c - 0.2 * a) * 10.0**-power]), power
    yield "a zero row", torch.stack([a, b, 0 * c]), 0


@pytest.mark.sampled(8, sweep=2)
@pytest.mark.parametrize("dtype", BOUNDS, ids=["float32", "bfloat16"])
def test_directions_are_those_of_exact_arithmetic(row: Any, dtype: torch.dtype) -> None:
    needs = row.make(TASKS).needs()
    if isinstance(needs, CrossGramian | Lookahead | Representations) or (isinstance(needs, Jacobian) and needs.tasks):
        pytest.skip("more than one matrix, or a part of it")
    for name, exact, power in structures():
        if power > RUNNING_MEANS.get(row.name, 45):
            continue
        rows, parameter = exact.to(dtype), nn.Parameter(torch.zeros(SIZE, dtype=dtype))
        balancer, alone = row.make(TASKS), row.make(TASKS)
        balancer.seed(1)
        alone.seed(1)
        backward = Backward(balancer, tasks=TASKS, shared={"layer.weight": parameter})
        losses = {task: Given.apply(parameter, own) for task, own in zip(TASKS, rows, strict=True)}
        backward((lambda _, found=losses: found), [0]) if backward.asks_again else backward(losses)
        found = torch.zeros(SIZE, dtype=torch.float64) if parameter.grad is None else parameter.grad.double()
        wide = rows.double()
        tiny = torch.finfo(dtype).tiny
        statistic = Rounded(wide * (wide.norm(dim=1, keepdim=True) >= tiny), torch.ones(3, dtype=torch.float64), TASKS, sizes=(SIZE,))
        object.__setattr__(statistic, "epsilon", torch.finfo(dtype).eps)
        answer = alone.weigh(statistic)
        expected = answer_to_direction(answer, statistic)
        if not getattr(answer, "solved", True):
            expected = torch.zeros_like(found)
        # With weights from losses, PyTorch sums gradients in the parameter's dtype: a sum that cancels keeps the errors of its terms.
        alone_adds = not isinstance(needs, Losses | Nothing) and isinstance(answer, Weights)
        size = expected.norm() if alone_adds or not isinstance(answer, Weights) else (answer.values.abs() * wide.norm(dim=1)).sum()
        assert float((found - expected).norm()) <= BOUNDS[dtype] * float(size) + 10 * tiny, name
