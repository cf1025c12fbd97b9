"""Norm-scaled weights: measured in the first step, fixed after it."""

from __future__ import annotations

import torch

from polytask.balancing import Fixed, Norms, NormScaled, Nothing
from polytask.balancing.matrix_to_statistic import MatrixStatistic


def step(lengths: list[float], names: tuple[str, ...]) -> MatrixStatistic:
    return MatrixStatistic(torch.diag(torch.tensor(lengths, dtype=torch.float64)), torch.ones(len(names), dtype=torch.float64), names)


def taken(balancer: NormScaled, seen: MatrixStatistic) -> list[float]:
    weights = balancer.weigh(seen).values.tolist()
    balancer.update_state(seen)
    return [round(weight, 12) for weight in weights]


def test_weights_make_gradients_equally_long_once() -> None:
    balancer = NormScaled()
    assert balancer.needs() == Norms("shared")
    assert taken(balancer, step([3.0, 1.0], ("a", "b"))) == [0.5, 1.5]
    assert balancer.needs() == Nothing()
    assert taken(balancer, step([1.0, 100.0], ("a", "b"))) == [0.5, 1.5]
    assert taken(balancer, step([1.0], ("b",))) == [1.5], "an absent task changes nothing"
    fixed = Fixed({"a": 0.5, "b": 1.5}).weigh(step([1.0, 100.0], ("a", "b")))
    assert torch.allclose(fixed.values, balancer.weigh(step([1.0, 100.0], ("a", "b"))).values)


def test_a_task_that_comes_later_or_whose_gradient_is_zero_is_measured_when_it_can_be() -> None:
    balancer = NormScaled()
    taken(balancer, step([2.0, 2.0], ("a", "b")))
    assert taken(balancer, step([1.0, 4.0], ("a", "c"))) == [1.0, 1.0]
    assert balancer.needs() == Norms("shared")
    assert taken(balancer, step([1.0, 0.0], ("a", "c"))) == [1.0, 1.0], "nothing to measure"
    assert balancer.needs() == Norms("shared")
    assert taken(balancer, step([9.0, 1.0], ("a", "c"))) == [0.75, 1.5]
    assert balancer.needs() == Nothing()
