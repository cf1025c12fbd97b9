"""Loss balance of impartial multi-task learning."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import LearnedScalars
from polytask.balancing.building_blocks.loss_checks import LARGEST_LEARNED_LOGARITHM, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_finite, check_positive
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic


@final
class IMTLL(Balancer):
    """Weights learned so that all weighted losses become equal (Liu et al., ICLR 2021: IMTL-L).

    With s_t a scalar per task, the loss is

        L = Σ_t exp(s_t) L_t − s_t

    so the weights are w_t = exp(s_t), and s_t descends along ∂L/∂s_t = exp(s_t) L_t − 1, whose zero is
    exp(s_t) L_t = 1: every weighted loss is 1. Heads are weighted too. Scale: as in the paper; at the start every weight
    is 1, so that training begins with the plain sum.

    Defaults: s_t = 0 at the start, so that no task is preferred. The learning rate 0.01 is ours, since the paper learns s
    with the network's learning rate.

    Deviations: the balancer updates s with a separate Adam instead of the model's optimizer, so that the latter can be any
    optimizer.

    Fails: a task whose loss approaches 0 gets a weight that grows like 1 / L_t, up to the bound of 1e10. For a negative loss the
    formula has no minimum, so that it is refused. A loss of exactly 0 does not change s.

    Args:
        lr: Learning rate of s, above 0.
        initial_value: Initial value of s_t.

    Raises:
        ConfigError: The learning rate is not above 0, or the initial value is not finite.

    Example:
        >>> IMTLL().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, lr: float = 0.01, initial_value: float = 0.0) -> None:
        check_positive(lr, "imtl-l, lr")
        check_finite(initial_value, "imtl-l, initial_value")
        self.lr, self.initial_value = lr, initial_value
        self._logarithms = LearnedScalars(initial_value, (-inf, LARGEST_LEARNED_LOGARITHM))

    def needs(self) -> Needs:
        """Request nothing: the weights follow from earlier steps."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = exp(s_t) per task present."""
        return Weights(torch.tensor([self._weight(task) for task in statistic.names], dtype=torch.float64), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Update s_t of the tasks present.

        Raises:
            ConfigError: A loss is negative.
        """
        for task, loss in zip(statistic.names, non_negative_losses(statistic, "imtl-l"), strict=True):
            if loss:
                self._logarithms.step(task, self._weight(task) * loss - 1, self.lr)

    def state_dict(self) -> dict[str, Any]:
        """Return s, its two moments and its number of steps for every task."""
        return self._logarithms.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._logarithms.load_state_dict(state)

    def _weight(self, task: str) -> float:
        return exp(self._logarithms.value(task))
