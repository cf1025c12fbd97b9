"""Impartial multi-task learning, the part that looks at losses."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_LARGEST = 700.0  # the exponential of more is no number


@final
class IMTLL(Balancer):
    """Weights learned so that all weighted losses are alike (Liu et al., ICLR 2021: IMTL-L).

    With s_t a scalar per task, the loss is

        L = Σ_t exp(s_t) L_t − s_t

    so the weights are w_t = exp(s_t), and s_t descends along ∂L/∂s_t = exp(s_t) L_t − 1, whose zero is
    exp(s_t) L_t = 1: every weighted loss is 1. Heads are weighted too. Scale: the paper's own; at the start every weight
    is 1, so that it begins as the plain sum.

    Defaults: s_t = 0 at the start, so that nothing is preferred; the learning rate 0.01 is ours, since the paper learns s
    with the network's.

    Deviations: s is stepped by the balancer's own Adam, not by the model's optimizer, so that the model's optimizer may
    be anything.

    Fails: a loss that stays at 0 or below lets s, and with it the weight, grow without end: that is the formula's own.

    Args:
        lr: Learning rate of s.
        initial_value: s_t at the start.

    Raises:
        ConfigError: The learning rate is not above 0, or the start not finite.

    Example:
        >>> IMTLL().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, lr: float = 0.01, initial_value: float = 0.0) -> None:
        if not 0 < lr < float("inf"):
            raise ConfigError("a learning rate above 0 is needed", where="imtl-l, lr", found=lr)
        if not abs(initial_value) < float("inf"):
            raise ConfigError("a finite number is needed", where="imtl-l, start", found=initial_value)
        self.lr, self.start = lr, initial_value
        self._logarithms: dict[str, AdamScalar] = {}

    def needs(self) -> Needs:
        """Nothing: the weights follow from what earlier steps taught."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """exp(s_t) per task present."""
        return Weights(torch.tensor([self._weight(task) for task in statistic.names], dtype=torch.float64), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Step the s_t of the tasks present."""
        for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True):
            self._logarithms[task] = self._scalar(task).stepped(self._weight(task) * loss - 1, self.lr)

    def state_dict(self) -> dict[str, Any]:
        """Per task: s, the two moments and the number of steps."""
        return {task: scalar.to_dict() for task, scalar in self._logarithms.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._logarithms = {task: AdamScalar(**values) for task, values in state.items()}

    def _scalar(self, task: str) -> AdamScalar:
        return self._logarithms.get(task, AdamScalar(self.start))

    def _weight(self, task: str) -> float:
        return exp(min(self._scalar(task).value, _LARGEST))
