"""Fixed weights from the lengths of the gradients at the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import inverses
from polytask.balancing.needs import Needs, Norms, Nothing
from polytask.balancing.statistic import Statistic


@final
class NormScaled(Balancer):
    """Fixed weights, inversely proportional to the lengths of the tasks' gradients in the first step.

    With n_t the length of the gradient of the shared parameters in the first step of task t, and K the number of measured tasks,

        w_t = K (1 / n_t) / Σ_s (1 / n_s)

    From then on nothing is measured, and training costs as much as with fixed weights: one backward pass. Such weights bring losses in
    different units to one scale, without a search. Heads are weighted too.

    Scale: the weights of the measured tasks sum to K, so that tasks with equally long gradients have the weight 1. Multiplying a task's
    loss by a constant changes only the common length of the first direction.

    A task that appears later has the mean gradient length of the others in its first step, and is measured in the next one; so is a task
    whose gradient is zero.

    Fails: one batch is a noisy measure of a length, and lengths at the start say little about later ones.

    Example:
        >>> NormScaled().aggregate(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        tensor([1.5000, 1.5000])
    """

    def __init__(self) -> None:
        self._norms: dict[str, float] = {}
        self._waiting: dict[str, bool] = {}

    def needs(self) -> Needs:
        """Request the lengths of the gradients as long as a task has to be measured, and nothing after that."""
        return Norms("shared") if not self._norms or any(self._waiting.values()) else Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w, after measuring the tasks that have not been measured yet."""
        if isinstance(self.needs(), Norms):
            lengths = statistic.norms().tolist()
            for name, length, part in zip(statistic.names, lengths, inverses(lengths), strict=True):
                if name not in self._norms and part > 0.0:
                    self._norms[name] = length
        parts = np.array(inverses([self._norms.get(name, self._usual()) for name in statistic.names]))
        total = sum(inverses(list(self._norms.values())))
        weights = parts * (len(self._norms) / total) if total > 0.0 else np.ones(len(parts))
        return Weights(torch.from_numpy(weights), heads=True)

    def update_state(self, statistic: Statistic) -> None:
        """Note which of the tasks present have to be measured."""
        self._waiting |= {name: name not in self._norms for name in statistic.names}

    def state_dict(self) -> dict[str, Any]:
        """Return the lengths of the gradients, and which tasks have to be measured."""
        return {"norms": dict(self._norms), "waiting": dict(self._waiting)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._norms, self._waiting = dict(state["norms"]), dict(state["waiting"])

    def _usual(self) -> float:
        """Return the harmonic mean of the measured lengths, which gives the weight 1."""
        parts = inverses(list(self._norms.values()))
        return len(parts) / sum(parts) if parts else 1.0
