"""How to train: a balancer and a callback, and what the balancer promises to polytask's battery of tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import polytask as pt
from polytask.balancing import Losses, Statistic, Weights
from polytask.registry import Range


class LossPower(pt.Balancer):
    """Weights that grow with the tasks' mean losses m: w_t = (m_t / mean m)^power."""

    spec = pt.ComponentSpec("balancer", "loss-power", summary="weights that grow with the losses", ranges=(Range("power", 0.1, 1.0),))

    def __init__(self, power: float = 0.5, decay: float = 0.5) -> None:
        self.power, self.decay = power, decay
        self.means: dict[str, Tensor] = {}

    def needs(self) -> Losses:
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        means = torch.stack(list(self._updated(statistic).values()))
        return Weights((means / means.mean()) ** self.power, heads=True)

    def update_state(self, statistic: Statistic) -> None:
        self.means |= self._updated(statistic)

    def state_dict(self) -> dict[str, Any]:
        return {"means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.means = dict(state["means"])

    def _updated(self, statistic: Statistic) -> dict[str, Tensor]:
        losses = dict(zip(statistic.names, statistic.losses.double(), strict=True))
        return {task: self.decay * self.means.get(task, loss) + (1 - self.decay) * loss for task, loss in losses.items()}


class StepCount(pt.Callback):
    """The number of steps."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step_begin(self, loop: Any, batches: Any) -> None:
        self.steps += 1

    def results(self) -> dict[str, int]:
        return {"steps": self.steps}

    state_dict = results

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = int(state["steps"])


BALANCERS = ({"spelled": "loss-power"}, {"spelled": "loss-power(power=1, decay=0.9)"})
