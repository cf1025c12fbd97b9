"""Weights that you choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class Fixed(Balancer):
    """L = Σ αₜ L_t over the tasks present, with weights αₜ that never change.

    Weights are used as they are: they need not sum to anything. A task that is absent in a step changes no other
    task's part of the update. Heads are weighted too.

    Scale: that of the weights.

    Fails: weights that were right at the start and are wrong later; they have to be searched for, on validation data.

    Args:
        weights: αₜ per task name, from 0 up.

    Raises:
        ConfigError: A weight is negative or not finite, or a task has none.

    Example:
        >>> Fixed({"0": 0.2, "1": 0.8}).aggregate(torch.eye(2))
        tensor([0.2000, 0.8000])
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for task, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ConfigError("a task's weight is a number from 0 up", where=f"weight of task {task!r}", found=weight)
        self.weights = {task: float(weight) for task, weight in weights.items()}

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """The tasks' own weights."""
        return {"weights": dict(task_weights)}

    def needs(self) -> Needs:
        """Nothing."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """αₜ per task present.

        Raises:
            ConfigError: A task has no weight.
        """
        missing = [task for task in statistic.names if task not in self.weights]
        if missing:
            found = f"weights for {', '.join(self.weights)}"
            raise ConfigError("every task needs a weight", where=f"task {missing[0]!r}", found=found)
        return Weights(torch.tensor([self.weights[task] for task in statistic.names], dtype=torch.float64), heads=True)
