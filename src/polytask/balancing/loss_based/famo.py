"""Weights that make all losses fall at the same rate, computed from losses alone."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import LearnedScalars
from polytask.balancing.building_blocks.option_checks import check_finite, check_non_negative, check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class FAMO(Balancer):
    """Fast adaptive multitask optimization (Liu, Feng, Stone & Liu, NeurIPS 2023).

    With a logit ξ_t per task, z = softmax(ξ) over the tasks present, and D_t = L_t − b_t (b_t: the smallest possible loss),

        w_t = T c z_t / D_t,    c = 1 / Σ z_s / D_s

    so that L = c Σ z_t log D_t with c held fixed. After the optimizer's step the losses of the same batch are computed again:
    δ_t = log D_t(before) − log D_t(after) is how far each one fell. Adam updates ξ by descent along

        Σ_s δ_s ∂z_s / ∂ξ_t + γ ξ_t = z_t (δ_t − Σ z_s δ_s) + γ ξ_t

    so that tasks whose losses fell more than the others get smaller weights. Heads are weighted too. Cost: one additional
    forward pass.

    Scale: the paper's weights c z_t / D_t sum to 1; they are multiplied by T. Multiplying a task's loss and b_t by a
    constant changes no δ.

    Defaults: lr 0.025 and γ 0.001, as in the authors' run script for QM9; b = 0. Their example `famo.py` and their script for CelebA have
    γ = 0.01.

    Deviations: the authors add 1e-8 to D. Here nothing is added, so that losses of any size are treated alike, and a task
    whose loss is exactly its b_t (before or after the step) is left out of that step. The authors' code also clips the
    gradient's norm; here this is left to the training loop.

    Fails: a loss below its b_t has no logarithm, and is refused; set a smaller b_t. If the second forward pass differs from the first
    for reasons other than the step (dropout, batch statistics), the difference is noise in δ.

    Args:
        lr: Learning rate of ξ, above 0.
        gamma: Decay γ of ξ towards equal logits, at least 0.
        min_losses: Smallest possible loss b_t per task; 0 for tasks that are not listed. `None` means 0 for all tasks.

    Raises:
        ConfigError: The learning rate is not above 0, γ is negative, or a smallest loss is not finite.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> FAMO().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([1.0, 3.0]))).values
        tensor([1.5000, 0.5000], dtype=torch.float64)
    """

    uses_after_step = True

    def __init__(self, lr: float = 0.025, gamma: float = 0.001, min_losses: Mapping[str, float] | None = None) -> None:
        check_positive(lr, "famo, lr")
        check_non_negative(gamma, "famo, gamma")
        for task, value in (min_losses or {}).items():
            check_finite(value, f"famo, min_losses, task {task!r}")
        self.lr, self.gamma, self.min_losses = lr, gamma, dict(min_losses or {})
        self._logits = LearnedScalars(0.0)

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = T c z_t / D_t; 0 for a task at its smallest possible loss.

        Raises:
            ConfigError: A loss is below its smallest possible value.
        """
        self._check_losses(statistic.names, statistic.losses)
        above = self._above(statistic.names, statistic.losses)
        if not above:
            return Weights(torch.zeros(len(statistic.names), dtype=torch.float64), heads=True)
        parts = {task: share / above[task] for task, share in self._shares(above).items()}
        scale = len(statistic.names) / sum(parts.values())
        return Weights(torch.tensor([parts.get(task, 0.0) * scale for task in statistic.names], dtype=torch.float64), heads=True)

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Update the logits of the tasks whose losses are above their smallest possible value both before and after the step."""
        first, second = self._above(names, before), self._above(names, after)
        fallen = {task: log(first[task]) - log(second[task]) for task in first if task in second}
        shares = self._shares(fallen)
        mean = sum(shares[task] * fallen[task] for task in fallen)
        for task, share in shares.items():
            self._logits.step(task, share * (fallen[task] - mean) + self.gamma * self._logits.value(task), self.lr)

    def state_dict(self) -> dict[str, Any]:
        """Return ξ, its two moments and its number of steps for every task."""
        return self._logits.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._logits.load_state_dict(state)

    def _above(self, names: tuple[str, ...], losses: Tensor) -> dict[str, float]:
        """Return D_t of the tasks where it is above 0 and finite."""
        distances = {task: loss - self.min_losses.get(task, 0.0) for task, loss in zip(names, losses.tolist(), strict=True)}
        return {task: distance for task, distance in distances.items() if 0 < distance < float("inf")}

    def _check_losses(self, names: tuple[str, ...], losses: Tensor) -> None:
        for task, loss in zip(names, losses.tolist(), strict=True):
            least = self.min_losses.get(task, 0.0)
            if loss < least:
                remedy = f"Set min_losses={{{task!r}: …}} to a lower bound of this loss, or choose another balancer"
                raise ConfigError(f"a loss of at least {least:g} is needed", where=f"famo, task {task!r}", found=loss, remedy=remedy)

    def _shares(self, tasks: Mapping[str, float]) -> dict[str, float]:
        """Return z over these tasks."""
        return dict(zip(tasks, softmax([self._logits.value(task) for task in tasks]), strict=True)) if tasks else {}
