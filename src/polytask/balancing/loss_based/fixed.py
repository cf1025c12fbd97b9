"""Fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_non_negative
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class Fixed(Balancer):
    """Weighted sum of the losses, L = Σ αₜ L_t over the tasks present, with constant weights αₜ.

    Weights are used as given: they need not have a particular sum. A task that is absent in a step does not change the
    contributions of the others. Heads are weighted too.

    Scale: that of the weights.

    Fails: weights that suit the start of training may not suit its end; they have to be tuned on validation data.

    Args:
        weights: Weight αₜ per task name, at least 0.

    Raises:
        ConfigError: A weight is negative or not finite, all are 0, or a task has none.

    Example:
        >>> Fixed({"0": 0.2, "1": 0.8}).aggregate(torch.eye(2))
        tensor([0.2000, 0.8000])
    """

    names_every_task = True

    def __init__(self, weights: Mapping[str, float]) -> None:
        for task, weight in weights.items():
            check_non_negative(weight, f"weight of task {task!r}")
        if weights and not any(weights.values()):
            raise ConfigError("at least one task needs a weight above 0", where="weights", found=", ".join(map(str, weights.values())))
        self.weights = {task: float(weight) for task, weight in weights.items()}

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the weights of the tasks as `weights`."""
        return {"weights": dict(task_weights)}

    def needs(self) -> Needs:
        """Request nothing."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return αₜ per task present.

        Raises:
            ConfigError: A task has no weight.
        """
        missing = [task for task in statistic.names if task not in self.weights]
        if missing:
            found = f"weights for {', '.join(self.weights)}"
            raise ConfigError("every task needs a weight", where=f"task {missing[0]!r}", found=found)
        return Weights(torch.tensor([self.weights[task] for task in statistic.names], dtype=torch.float64), heads=True)
