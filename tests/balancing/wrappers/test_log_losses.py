"""`log:`: any balancer on logarithms of losses."""

from __future__ import annotations

import pytest
import torch

from polytask.balancing import MatrixStatistic, Weights, answer_to_direction
from polytask.balancing.factory import balancer_named
from polytask.errors import ConfigError
from polytask.gradients import Backward

LOSSES = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
NAMES = ("a", "b", "c")
J = torch.randn(3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def step(rows: torch.Tensor = J, losses: torch.Tensor = LOSSES) -> MatrixStatistic:
    return MatrixStatistic(rows, losses, NAMES)


@pytest.mark.parametrize("name", ["mgda", "cagrad", "upgrad", "nash-mtl", "imtl-g", "equal", "moco", "norm-scaled"])
def test_the_direction_is_that_of_the_logarithms_gradients(name: str) -> None:
    logged, plain = balancer_named(f"log:{name}"), balancer_named(name)
    for _ in range(2):
        direction = answer_to_direction(logged.weigh(step()), step())
        expected = answer_to_direction(plain.weigh(step(J / LOSSES[:, None])), step(J / LOSSES[:, None]))
        assert torch.allclose(direction, expected, rtol=1e-9, atol=1e-12)


def test_the_sum_of_logarithms_and_its_reductions() -> None:
    assert torch.allclose(balancer_named("log:equal").weigh(step()).values, balancer_named("scale-invariant").weigh(step()).values)
    first = answer_to_direction(balancer_named("log:mgda").weigh(step()), step())
    second = answer_to_direction(balancer_named("mgda(normalization=loss)").weigh(step()), step())
    assert float(first @ second) < float(first.norm() * second.norm()), "normalization changes the weights only, not what they weight"


def test_heads_learn_from_the_logarithm() -> None:
    answer = balancer_named("log:mgda").weigh(step())
    assert isinstance(answer, Weights)
    assert answer.private is not None
    assert torch.allclose(answer.private, 1 / LOSSES)
    trunk, heads = torch.nn.Parameter(torch.ones(2)), [torch.nn.Parameter(torch.tensor(float(n))) for n in (1, 2)]
    bw = Backward(balancer_named("log:upgrad"), tasks=("a", "b"), shared=[trunk])
    bw({"a": heads[0] * trunk.sum(), "b": heads[1] * trunk.sum()})
    assert [float(head.grad) for head in heads if head.grad is not None] == pytest.approx([1.0, 0.5])  # d log(h · 2) / dh = 1 / h


def test_a_wrapped_balancer_sees_logarithms_as_losses() -> None:
    dwa = balancer_named("log:dwa(window=1)")
    for factor in (1.0, 2.0):
        dwa.update_state(step(losses=LOSSES.exp() * factor))
    plain = balancer_named("dwa(window=1)")
    for factor in (1.0, 2.0):
        plain.update_state(step(losses=(LOSSES.exp() * factor).log()))
    seen = step(losses=LOSSES.exp())
    assert torch.allclose(dwa.weigh(seen).values, plain.weigh(seen).values / LOSSES.exp())


@pytest.mark.parametrize("name", ["modo", "moml"])
def test_several_batches_are_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match="log: this wrapper needs a balancer that uses one batch"):
        balancer_named(f"log:{name}")
