"""Smooth Tchebycheff scalarization of losses relative to their values after a warm-up."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_count, check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.window_means import TaskWindows
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class STCH(Balancer):
    """Smooth Tchebycheff scalarization as the authors use it to train networks (Lin et al., ICML 2024, multi-task experiments).

    Training starts with a warm-up on Σ log L_t. The mean loss of its last window is the task's nadir N_t. From then on, with
    f_t = log(L_t / N_t),

        L = T μ log Σ exp(f_t / μ),    so    w_t = T softmax(f / μ)_t / L_t

    which is a smooth form of T max f: the task whose loss has fallen least gets the most weight. During the warm-up
    w_t = 1 / L_t. Heads are weighted too. Multiplying a task's loss by a constant changes nothing. `SmoothTchebycheff` is the
    plain scalarization, of unscaled losses, with preferences.

    Scale: as in the authors' code, which multiplies by T; the two phases agree where all losses are at their nadirs.

    Defaults: μ = 1 and a warm-up of five windows, as in the authors' code, where a window is an epoch. Here a window has 100
    steps (ours), since a custom training loop may have no epochs.

    Deviations: windows count the steps in which the task is present. While some tasks are still warming up, these keep the
    weight 1 / L_t, and the second form applies to the others.

    Fails: as a loss approaches 0, its weight grows without bound during the warm-up, and after it if μ > 1. At exactly 0 the
    weight is set to 0: the gradient of a non-negative loss is 0 there.

    Args:
        mu: Smoothing μ, above 0. The smaller it is, the closer L is to the maximum.
        window: Number of steps over which losses are averaged, at least 1.
        warm_up: Number of windows of the warm-up, at least 1.

    Raises:
        ConfigError: μ is not above 0, or `window` or `warm_up` is below 1.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> balancer, start = STCH(window=1, warm_up=1), statistic_from_jacobian(torch.eye(2), torch.tensor([4.0, 1.0]))
        >>> balancer.weigh(start).values
        tensor([0.2500, 1.0000], dtype=torch.float64)
        >>> balancer.update_state(start)
        >>> balancer.weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([1.0, 0.75]))).values
        tensor([0.5000, 2.0000], dtype=torch.float64)
    """

    def __init__(self, mu: float = 1.0, window: int = 100, warm_up: int = 5) -> None:
        check_positive(mu, "stch, mu")
        for name, value in (("window", window), ("warm_up", warm_up)):
            check_count(value, f"stch, {name}")
        self.mu, self.window, self.warm_up = mu, window, warm_up
        self._windows = TaskWindows()

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = 1 / L_t during the warm-up, and T softmax(f / μ)_t / L_t after it.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = dict(zip(statistic.names, non_negative_losses(statistic, "stch"), strict=True))
        weights = {task: 1 / loss if loss else 0.0 for task, loss in losses.items()}
        ready = {task: self._nadir(task) for task in losses if self._nadir(task)}
        above = {task: log(losses[task]) - log(nadir) for task, nadir in ready.items() if losses[task]}
        if above:
            shares = softmax([value / self.mu for value in above.values()])
            weights |= {task: len(ready) * share / losses[task] for task, share in zip(above, shares, strict=True)}
        return Weights(torch.tensor(list(weights.values()), dtype=torch.float64), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Add the losses of the tasks that are still warming up to their windows."""
        for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True):
            if not self._nadir(task):
                self._windows.add(task, loss, self.window)

    def state_dict(self) -> dict[str, Any]:
        """Return the means of the last windows of every task; after the warm-up the newest mean is the nadir."""
        return self._windows.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._windows.load_state_dict(state)

    def _nadir(self, task: str) -> float:
        """Return the task's nadir; 0 during its warm-up, and as long as its mean loss is 0."""
        means = self._windows.of(task)
        return 0.0 if means.newer is None or means.complete < self.warm_up else means.newer
