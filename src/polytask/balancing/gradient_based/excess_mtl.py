"""Weights that grow with how much each loss can still be reduced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.kept_rows import kept_row
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import Jacobian, Needs
from polytask.balancing.statistic import Statistic


@final
class ExcessMTL(Balancer):
    """Robust multi-task learning with excess risks (He, Zhou, Chen & Zhao, ICML 2024, algorithm 1).

    The excess risk of a task (the difference between its loss and the smallest possible loss) is estimated from a second-order
    expansion with AdaGrad's diagonal in place of the Hessian. Weights grow with this estimate, relative to its first value:

        S_t ← S_t + g_t ∘ g_t,    e_t = Σ_p g_tp² / √S_tp,    w_t ∝ w_t exp(η e_t / e_t⁰)

    so that label noise, which training cannot remove, does not increase a task's weight. Heads are weighted too. Memory:
    T × P numbers.

    Scale: the paper's weights sum to 1; they are multiplied by T. Multiplying a task's loss by a constant changes no weight.
    A task with a zero row loses weight as the weights of the others grow.

    Defaults: η = 0.01, as in LibMTL's implementation; w starts uniform.

    Deviations: no 1e-7 is added to S; where S is 0, the terms are 0. e_t⁰ is the first estimate that is above 0.

    Fails: S only grows, so that late changes of a task have less and less effect; e_t⁰ from an unusual first batch is kept
    throughout training.

    Args:
        lr: Learning rate η of the weights, above 0.

    Raises:
        ConfigError: η is not above 0.

    Example:
        >>> ExcessMTL().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    remembers_gradients = True
    reads_once = True

    def __init__(self, lr: float = 1e-2) -> None:
        self.lr = check_positive(lr, "excess-mtl, lr")
        self._shares = TaskShares()
        self._squares: dict[str, Tensor] = {}
        self._first: dict[str, float] = {}

    def needs(self) -> Needs:
        """Request the Jacobian."""
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return T w."""
        names = statistic.names
        found = [self._risk(name, row) for name, row in zip(names, statistic.jacobian(), strict=True)]
        excesses = [float(excess) for excess in statistic.read(*(excess for _, excess in found))]
        self._squares |= {name: total for name, (total, _) in zip(names, found, strict=True)}
        exponents = np.array([self.lr * self._relative(name, excess) for name, excess in zip(names, excesses, strict=True)])
        shares = self._shares.grow(names, np.exp(exponents - exponents.max()))
        return Weights(torch.from_numpy(shares * len(names)), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Return w, S and the first estimate of every task."""
        squares = {task: row.clone() for task, row in self._squares.items()}
        return {"shares": self._shares.state_dict(), "squares": squares, "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])
        self._squares = {task: row.clone() for task, row in state["squares"].items()}
        self._first = dict(state["first"])

    def _risk(self, name: str, row: Tensor) -> tuple[Tensor, Tensor]:
        """Return S with the task's row added to it, and the estimate e_t, both on the device."""
        # Squares of float32 gradients underflow below 1e-22 and overflow above 1e19; in float64 the squares of useful gradients do neither.
        squares = row.double().square()
        # A row without precision is a zero row.
        squares = torch.where(squares.sum() < torch.finfo(row.dtype).tiny ** 2, 0.0, squares)
        total = kept_row(self._squares, name, squares) + squares
        return total, (squares / torch.where(total > 0, total, 1).sqrt()).sum()

    def _relative(self, name: str, excess: float) -> float:
        """Return e_t / e_t⁰."""
        if excess > 0.0:
            self._first.setdefault(name, excess)
        return excess / self._first[name] if name in self._first else 0.0
