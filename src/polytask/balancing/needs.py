"""What a balancer may ask for. The cheapest answer is obtained, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Nothing:
    """The weights are known before the losses of this step."""


@dataclass(frozen=True)
class Losses:
    """`Statistic.losses`: the weights depend on the losses of this step."""


@dataclass(frozen=True)
class Gramian:
    """`Statistic.gramian()`: inner products of the tasks' gradients of the shared parameters."""


@dataclass(frozen=True)
class Jacobian:
    """`Statistic.jacobian()`: the tasks' gradients of the shared parameters themselves."""


Needs = Nothing | Losses | Gramian | Jacobian
