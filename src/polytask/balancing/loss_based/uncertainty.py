"""Weights learned from homoscedastic uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import LearnedScalars
from polytask.balancing.building_blocks.loss_checks import LARGEST_LEARNED_LOGARITHM, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_finite, check_positive
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic


@final
class Uncertainty(Balancer):
    """Weights learned from each task's homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018, eq. 7).

    With s_t = log σ_t², a scalar per task, the loss is

        L = Σ_t ½ exp(−s_t) L_t + ½ s_t

    so the weights are w_t = ½ exp(−s_t), and s_t descends along ∂L/∂s_t = ½ (1 − exp(−s_t) L_t), whose zero is
    s_t = log L_t. Heads are weighted too.

    Scale: as in the paper: at the start every weight is ½, later about 1 / 2 L_t.

    Defaults: s_t = 0, so σ_t² = 1. The learning rate 0.01 of s is ours, since the paper does not state one.

    Fails: a task that is learned quickly gets more and more weight, about 1 / 2 L_t. Weights are bounded by ½ · 1e10. For a negative
    loss, such as a Gaussian log likelihood, the formula has no minimum: the weight would grow without end, so that the loss is
    refused. A loss of exactly 0 does not change s.

    Deviations: the balancer updates s with a separate Adam instead of the model's optimizer, so that the latter can be any
    optimizer. The factor ½ applies to every kind of loss (in the paper, eq. 10, a classification has none).

    Args:
        lr: Learning rate of s, above 0.
        initial_value: Initial value of s_t.

    Raises:
        ConfigError: The learning rate is not above 0, or the initial value is not finite.

    Example:
        >>> Uncertainty().aggregate(torch.eye(2))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, lr: float = 0.01, initial_value: float = 0.0) -> None:
        check_positive(lr, "uncertainty, lr")
        check_finite(initial_value, "uncertainty, initial_value")
        self.lr, self.initial_value = lr, initial_value
        self._log_variances = LearnedScalars(initial_value, (-LARGEST_LEARNED_LOGARITHM, inf))

    def needs(self) -> Needs:
        """Request nothing: the weights follow from earlier steps."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = ½ exp(−s_t) per task present."""
        return Weights(0.5 * torch.exp(-self._log_variance_of(statistic.names)), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Update s_t of the tasks present.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = non_negative_losses(statistic, "uncertainty")
        gradient = 0.5 * (1 - torch.exp(-self._log_variance_of(statistic.names)) * statistic.losses)
        for task, loss, slope in zip(statistic.names, losses, gradient.tolist(), strict=True):
            if loss:
                self._log_variances.step(task, slope, self.lr)

    def state_dict(self) -> dict[str, Any]:
        """Return s, its two moments and its number of steps for every task."""
        return self._log_variances.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._log_variances.load_state_dict(state)

    def _log_variance_of(self, names: tuple[str, ...]) -> Tensor:
        return torch.tensor([self._log_variances.value(task) for task in names], dtype=torch.float64)
