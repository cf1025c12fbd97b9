"""Small balancers that look at gradients, to be wrapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from polytask.balancing import Answer, Balancer, Direction, Gramian, Jacobian, Needs, Statistic, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.matrix_to_statistic import MatrixStatistic

NAMES = ("a", "b", "c")


class Inverse(Balancer):
    """w_t = 1 / ‖g_t‖ from the Gramian; counts how often it is asked, and what it learns."""

    def __init__(self, *, heads: bool = False) -> None:
        self.asked, self.learned, self.heads = 0, 0.0, heads

    def needs(self) -> Needs:
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        self.asked += 1
        lengths = statistic.gramian().diagonal().sqrt()
        return Weights(1 / lengths, heads=self.heads, solved=bool(lengths.all()))

    def update_state(self, statistic: Statistic) -> None:
        self.learned += float(statistic.losses.sum())

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked, "learned": self.learned}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.asked, self.learned = int(state["asked"]), float(state["learned"])


class Unit(Balancer):
    """The sum of the gradients, of length 1, from the Jacobian; moved by noise if asked to."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise, self.stream = noise, RandomStream()

    def needs(self) -> Needs:
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Answer:
        total = statistic.jacobian().sum(0)
        return Direction(total / total.norm() + self.noise * self.stream.normal(len(total)))

    def seed(self, seed: int) -> None:
        self.stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.stream.load_state_dict(state)


@pytest.fixture
def inverse() -> type[Inverse]:
    return Inverse


@pytest.fixture
def unit() -> type[Unit]:
    return Unit


@pytest.fixture
def step() -> Callable[..., MatrixStatistic]:
    def make(seed: int, names: tuple[str, ...] = NAMES, sizes: tuple[int, ...] = (3, 2)) -> MatrixStatistic:
        generator = torch.Generator().manual_seed(seed)
        matrix = torch.randn(len(names), sum(sizes), generator=generator, dtype=torch.float64)
        losses = torch.rand(len(names), generator=generator, dtype=torch.float64) + 0.5
        return MatrixStatistic(matrix, losses, names, seed, sizes=sizes)

    return make
