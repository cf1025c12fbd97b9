"""Weights from how far each loss can still fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import inverses, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_count
from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.window_means import TaskWindows
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class IGB(Balancer):
    """Improvable gap balancing (Dai, Fei & Lu, UAI 2023, IGBv1).

    The gap of a task is its loss relative to a base b_t, the mean loss of its first window of steps. With the gaps held constant,

        z = T softmax(L / b),    loss = Σ z_t log L_t,    so    w_t = z_t / L_t

    so that tasks whose losses have fallen least get more weight, on a scale without units. In the first window z_t = 1. Heads are
    weighted too.

    Scale: as in the paper, Σ z_t = T. Multiplying a task's loss by a constant changes nothing, and the update does not shrink as the
    losses do.

    Defaults: a window of 100 steps (ours; an epoch in the paper).

    Deviations: windows count the steps in which the task is present. A task in its first window counts with a gap of 1. A task whose loss
    is 0 (below 1e-30) has the weight 0. The paper's second form, which learns z by reinforcement, is not offered.

    Fails: as a loss approaches 0, its weight grows until it has the bound 1e30.

    Args:
        window: Number of steps over which the base is averaged, at least 1.

    Raises:
        ConfigError: The window is below 1.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> IGB().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([0.5, 4.0]))).values
        tensor([2.0000, 0.2500], dtype=torch.float64)
    """

    def __init__(self, window: int = 100) -> None:
        check_count(window, "igb, window")
        self.window = window
        self._windows = TaskWindows()

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return z_t / L_t.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = non_negative_losses(statistic, "igb")
        gaps = [self._gap(task, loss) for task, loss in zip(statistic.names, losses, strict=True)]
        shares = softmax(gaps)
        weights = [min(len(losses) * share * part, LARGEST_WEIGHT) for share, part in zip(shares, inverses(losses), strict=True)]
        return Weights(torch.tensor(weights, dtype=torch.float64), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Add the losses of the tasks that are in their first window to it."""
        for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True):
            if not self._windows.of(task).newer:
                self._windows.add(task, loss, self.window)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean of the first window of every task."""
        return self._windows.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._windows.load_state_dict(state)

    def _gap(self, task: str, loss: float) -> float:
        base = self._windows.of(task).newer
        return min(loss / base, LARGEST_WEIGHT) if base else 1.0
