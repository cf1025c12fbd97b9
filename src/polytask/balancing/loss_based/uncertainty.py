"""Weights learned from homoscedastic uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class Uncertainty(Balancer):
    """Weights learned from each task's homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018, eq. 7).

    With s_t = log σ_t², a scalar per task, the loss is

        L = Σ_t ½ exp(−s_t) L_t + ½ s_t

    so the weights are w_t = ½ exp(−s_t), and s_t descends along ∂L/∂s_t = ½ (1 − exp(−s_t) L_t), whose zero is
    s_t = log L_t. Heads are weighted too.

    Scale: the paper's own: at the start every weight is ½, later about 1 / 2 L_t.

    Defaults: s_t = 0, so σ_t² = 1; 0.01 as the learning rate of s: ours, since the paper names none.

    Fails: a loss that stays at exactly 0 lets s fall, and its weight grow, without end: that is the formula's own. A task that is
    learned fast gets ever more weight.

    Deviations: s is stepped by the balancer's own Adam, not by the model's optimizer, so that the model's optimizer may
    be anything; the factor ½ stands before every kind of loss (in the paper, eq. 10, a classification has none).

    Args:
        lr: Learning rate of s. 0.01 by default: ours, since the paper names none.
        initial_value: s_t at the start: 0, so σ_t² = 1.

    Raises:
        ConfigError: The learning rate is not above 0, or the start not finite.

    Example:
        >>> Uncertainty().aggregate(torch.eye(2))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, lr: float = 0.01, initial_value: float = 0.0) -> None:
        if not 0 < lr < float("inf"):
            raise ConfigError("a learning rate above 0 is needed", where="uncertainty, lr", found=lr)
        if not abs(initial_value) < float("inf"):
            raise ConfigError("a finite number is needed", where="uncertainty, start", found=initial_value)
        self.lr, self.start = lr, initial_value
        self._log_variances: dict[str, AdamScalar] = {}

    def needs(self) -> Needs:
        """Nothing: the weights follow from what earlier steps taught."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """½ exp(−s_t) per task present."""
        return Weights(0.5 * torch.exp(-self._log_variance_of(statistic.names)), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Step the s_t of the tasks present."""
        gradient = 0.5 * (1 - torch.exp(-self._log_variance_of(statistic.names)) * statistic.losses)
        for task, slope in zip(statistic.names, gradient.tolist(), strict=True):
            self._log_variances[task] = self._scalar(task).stepped(slope, self.lr)

    def state_dict(self) -> dict[str, Any]:
        """Per task: s, the two moments and the number of steps."""
        return {task: scalar.to_dict() for task, scalar in self._log_variances.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._log_variances = {task: AdamScalar(**values) for task, values in state.items()}

    def _scalar(self, task: str) -> AdamScalar:
        return self._log_variances.get(task, AdamScalar(self.start))

    def _log_variance_of(self, names: tuple[str, ...]) -> Tensor:
        return torch.tensor([self._scalar(task).value for task in names], dtype=torch.float64)
