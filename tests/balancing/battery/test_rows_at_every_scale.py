"""Rows in float32 and bfloat16 through `Backward`: dependent, nearly parallel, nearly stationary, short and zero rows.

The reference is the same balancer on the same rows in float64, which are exact there, with the same rule of what counts as zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import mul
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask.balancing import (
    CrossGramian,
    Gramian,
    Jacobian,
    Lookahead,
    Losses,
    MatrixStatistic,
    Nothing,
    Representations,
    Weights,
    answer_to_direction,
)
from polytask.errors import NonFiniteError
from polytask.gradients import Backward

TASKS, SIZE = ("t0", "t1", "t2"), 400
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Largest relative error of the direction: what rounding the result to its dtype leaves, with some room."""
RUNNING_MEANS = {"db-mtl": 35, "moco": 45}
"""Methods that combine running means of rows, kept in float32, and the power of ten down to which these keep their precision. What is left
of means that cancel to a thousandth has a thousand times their round-off."""
LONG, DIFFERENCES = 20_000, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


class Given(torch.autograd.Function):
    """A loss of a given value with a given gradient."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, row: Tensor, value: float = 1.0) -> Tensor:
        """Return the value."""
        ctx.save_for_backward(row)
        return torch.tensor(value)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        """Return the row."""
        (row,) = ctx.saved_tensors
        return row * slopes[0].to(row), None, None


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
    yield "nearly opposed", torch.stack([a, 1e-3 * b - a, 0 * c]), 0
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
        bound = BOUNDS[dtype] * (10 if name == "nearly opposed" and row.name in RUNNING_MEANS else 1)
        assert float((found - expected).norm()) <= bound * float(size) + 10 * tiny, name


class Exact(Rounded):
    """Long rows whose Gramian is exact up to its last digit."""

    def _products(self, part: slice) -> Tensor:
        rows = self.matrix[:, part].tolist()  # products of two numbers of float32 are exact
        return torch.tensor([[math.fsum(map(mul, one, other)) for other in rows] for one in rows], dtype=torch.float64)


@pytest.fixture(scope="module")
def nearly_stationary() -> list[tuple[float, Tensor, Exact]]:
    """Rows of float32 whose convex combination is ε times as long as they are, with the exact statistic."""
    generator = torch.Generator().manual_seed(8)
    a, b, c = (torch.randn(LONG, generator=generator, dtype=torch.float64) / LONG**0.5 for _ in range(3))
    found = []
    for difference in DIFFERENCES:
        rows = torch.stack([a, b, -(0.5 * a + 0.8 * b) + difference * c]).float()
        statistic = Exact(rows.double(), torch.ones(3, dtype=torch.float64), TASKS, sizes=(LONG,))
        object.__setattr__(statistic, "epsilon", torch.finfo(torch.float32).eps)
        statistic.gramian()
        found.append((difference, rows, statistic))
    return found


@pytest.mark.sampled(8, sweep=2)
def test_long_rows_that_nearly_cancel_agree_with_an_exact_gramian(row: Any, nearly_stationary: list[tuple[float, Tensor, Exact]]) -> None:
    """The Gramian is rounded to float64, so that what ε of the rows is left of has a relative error of some 2⁻⁵² / ε².

    The rows' own round-off, 2⁻²⁴ / ε, is larger by far.
    """
    needs = row.make(TASKS).needs()
    if not isinstance(needs, Gramian) or needs.groups != "whole" or row.make(TASKS).uses_after_step:
        pytest.skip("no Gramian of the whole rows")
    for difference, rows, statistic in nearly_stationary:
        parameter, balancer, alone = nn.Parameter(torch.zeros(LONG)), row.make(TASKS), row.make(TASKS)
        balancer.seed(1)
        alone.seed(1)
        Backward(balancer, tasks=TASKS, shared=[parameter])(
            {task: Given.apply(parameter, own) for task, own in zip(TASKS, rows, strict=True)}
        )
        expected = answer_to_direction(alone.weigh(statistic), statistic)
        bound = BOUNDS[torch.float32] + 64 * torch.finfo(torch.float64).eps / difference**2
        assert parameter.grad is not None
        assert float((parameter.grad - expected).norm()) <= bound * float(expected.norm()), difference


SIZES = (30, 10, -10, -25, -31, -38, -42, -45)


@pytest.mark.sampled(8, sweep=2)
def test_losses_of_every_size_give_finite_gradients_or_one_line(row: Any) -> None:
    """A loss of 10^k, with a gradient as small or of length 1: nothing overflows, and what has to is refused before `.grad` is changed."""
    if isinstance(row.make(TASKS).needs(), Representations):
        pytest.skip("losses of representations")
    exact, parameter = torch.eye(3, 5) + 0.1, nn.Parameter(torch.zeros(5))
    for size, slope in ((10.0**power, slope) for power in SIZES for slope in (10.0**power, 1.0)):
        balancer = row.make(TASKS)
        balancer.seed(1)
        backward = Backward(balancer, tasks=TASKS, shared={"layer.weight": parameter})

        def losses(_: object, size: float = size, slope: float = slope) -> dict[str, Tensor]:
            rows = exact * torch.tensor([[slope], [1.0], [1.0]])
            return {task: Given.apply(parameter, own, value) for task, own, value in zip(TASKS, rows, (size, 1.0, 1.0), strict=True)}

        for _ in range(3):
            parameter.grad = None
            try:
                backward(losses, list(range(balancer.batches))) if backward.asks_again else backward(losses(0))
            except NonFiniteError as error:
                assert type(balancer).__name__ in str(error)
            assert parameter.grad is None or bool(torch.isfinite(parameter.grad).all()), (size, slope)
            backward.after_step()


@pytest.mark.sampled(8, sweep=2)
def test_finite_rows_whose_sum_is_not_finite_change_nothing(row: Any) -> None:
    """Rows of 1.2e38, thrice, for shared and for private parameters; a loss of 1e-3, whose logarithm has a slope of 1000."""
    if isinstance(row.make(TASKS).needs(), Representations):
        pytest.skip("losses of representations")
    trunk, heads, long = nn.Parameter(torch.zeros(5)), [nn.Parameter(torch.zeros(5)) for _ in TASKS], torch.full((5,), 1.2e38)
    for value in (1.0, 1e-3):
        balancer = row.make(TASKS)
        balancer.seed(1)
        backward = Backward(balancer, tasks=TASKS, shared={"layer.weight": trunk}, non_finite="skip")

        def losses(_: object, value: float = value) -> dict[str, Tensor]:
            return {task: Given.apply(trunk, long, value) + Given.apply(head, long, 0.0) for task, head in zip(TASKS, heads, strict=True)}

        report = backward(losses, list(range(balancer.batches))) if backward.asks_again else backward(losses(0))
        grads = [parameter.grad for parameter in (trunk, *heads) if parameter.grad is not None]
        assert all(bool(torch.isfinite(grad).all()) for grad in grads)
        assert report.skipped == (not grads)
        for parameter in (trunk, *heads):
            parameter.grad = None
