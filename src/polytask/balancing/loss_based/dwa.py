"""Weights from how fast losses fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.window_means import WindowMeans
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_LARGEST = 1e300  # a rate beyond this would make the softmax subtract infinities


@final
class DWA(Balancer):
    """Dynamic weight average: tasks whose losses fall slowly weigh more (Liu, Johns & Davison, CVPR 2019).

    With M_t(k) the mean loss of task t over the k-th window of steps, before window k

        r_t = M_t(k − 1) / M_t(k − 2),    w = T softmax(r / temperature),    L = Σ w_t L_t

    and r_t = 1 for a task that has no two complete windows yet, so that all weights are 1 at the start, as in the paper.
    Heads are weighted too. Scale: the paper's own, Σ w_t = T. Multiplying a task's loss by a constant changes no weight.

    Defaults: temperature 2 from the paper. A window of 25 steps from the code of Nash-MTL (Navon et al., ICML 2022); to
    follow the paper to the letter, take as many steps as your epoch has.

    Deviations: the paper averages over epochs, which a loop of your own may not have; windows are a task's own steps, so
    a task that is absent pauses. A rate whose denominator is 0 counts as 1.

    Fails: a loss that passes through 0 makes rates meaningless; with short windows they are noise around 1.

    Args:
        temperature: Above 0: the larger, the closer all weights are to 1.
        window: Steps over which losses are averaged.

    Raises:
        ConfigError: The temperature is not above 0, or the window has no step.

    Example:
        >>> DWA().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, temperature: float = 2.0, window: int = 25) -> None:
        if not 0 < temperature < float("inf"):
            raise ConfigError("a temperature above 0 is needed", where="dwa, temperature", found=temperature)
        if window < 1:
            raise ConfigError("a window has at least one step", where="dwa, window", found=window)
        self.temperature, self.window = temperature, window
        self._means: dict[str, WindowMeans] = {}

    def needs(self) -> Needs:
        """Nothing: the weights follow from what earlier steps taught."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """T softmax(r / temperature)."""
        rates = [min(self._rate(task) / self.temperature, _LARGEST) for task in statistic.names]
        return Weights(torch.tensor(softmax(rates), dtype=torch.float64) * len(rates), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Add the losses of the tasks present to their windows."""
        for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True):
            self._means[task] = self._means.get(task, WindowMeans()).added(loss, self.window)

    def state_dict(self) -> dict[str, Any]:
        """Per task the means of its last windows."""
        return {task: means.to_dict() for task, means in self._means.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._means = {task: WindowMeans(**values) for task, values in state.items()}

    def _rate(self, task: str) -> float:
        means = self._means.get(task, WindowMeans())
        if means.newer is None or not means.older:
            return 1.0
        return means.newer / means.older
