"""Weights based on how fast the losses fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_count, check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.window_means import TaskWindows
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic

_LARGEST = 1e300  # larger rates would make the softmax subtract infinities


@final
class DWA(Balancer):
    """Dynamic weight average: tasks whose losses fall slowly get larger weights (Liu, Johns & Davison, CVPR 2019).

    With M_t(k) the mean loss of task t over the k-th window of steps, the weights in window k are

        r_t = M_t(k − 1) / M_t(k − 2),    w = T softmax(r / temperature),    L = Σ w_t L_t

    with r_t = 1 for a task that does not have two complete windows yet, so that all weights are 1 at the start, as in the
    paper. Heads are weighted too. Scale: as in the paper, Σ w_t = T. Multiplying a task's loss by a constant changes no weight.

    Defaults: temperature 2 from the paper. A window of 25 steps from the code of Nash-MTL (Navon et al., ICML 2022); to
    follow the paper exactly, set it to the number of steps per epoch.

    Deviations: the paper averages over epochs, which a custom training loop may not have. Windows count the steps in which
    the task is present, so the window of an absent task pauses. A rate whose denominator is 0 counts as 1.

    Fails: a loss that passes through 0 makes the rates meaningless; with short windows they are noise around 1.

    Args:
        temperature: Temperature of the softmax, above 0. The larger it is, the closer all weights are to 1.
        window: Number of steps over which losses are averaged, at least 1.

    Raises:
        ConfigError: The temperature is not above 0, or the window is below 1.

    Example:
        >>> DWA().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, temperature: float = 2.0, window: int = 25) -> None:
        check_positive(temperature, "dwa, temperature")
        check_count(window, "dwa, window")
        self.temperature, self.window = temperature, window
        self._windows = TaskWindows()

    def needs(self) -> Needs:
        """Request nothing: the weights follow from earlier steps."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = T softmax(r / temperature)."""
        rates = [min(self._rate(task) / self.temperature, _LARGEST) for task in statistic.names]
        return Weights(torch.tensor(softmax(rates), dtype=torch.float64) * len(rates), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Add the losses of the tasks present to their windows."""
        for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True):
            self._windows.add(task, loss, self.window)

    def state_dict(self) -> dict[str, Any]:
        """Return the means of the last windows of every task."""
        return self._windows.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._windows.load_state_dict(state)

    def _rate(self, task: str) -> float:
        means = self._windows.of(task)
        if means.newer is None or not means.older:
            return 1.0
        return means.newer / means.older
