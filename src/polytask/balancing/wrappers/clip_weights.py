"""Weights within bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from polytask.balancing.balancer import Answer, Balancer
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights
from polytask.errors import ConfigError


@final
class ClipWeights(Wrapper):
    """Weights cut to [low, high], each for itself: w_t ← min(max(w_t, low), high).

    For methods whose weights may be negative or without bound, such as IMTL-G where gradients nearly oppose each other. The
    sum of the weights is not restored: bounds and a given sum exclude each other where T low or T high lies on the wrong
    side of it, and a task's weight would depend on what was cut from others. Scale and heads are those of the balancer
    inside. Where that one finds no solution, its answer goes through as it is.

    Defaults: low = 0 and no upper bound (ours): no task is ever trained to become worse.

    Fails: balancers that give a direction have no weights; they are refused.

    Args:
        balancer: The one inside.
        low: Least weight.
        high: Largest weight.

    Raises:
        ConfigError: There is nothing from low to high.

    Example:
        >>> import torch
        >>> from polytask.balancing import Fixed
        >>> ClipWeights(Fixed({"0": 0.2, "1": 9.0}), low=0.5, high=2.0).aggregate(torch.eye(2))
        tensor([0.5000, 2.0000])
    """

    def __init__(self, balancer: Balancer, low: float = 0.0, high: float = float("inf")) -> None:
        if not (low <= high and low < float("inf") and high > float("-inf")):
            raise ConfigError("the least weight is not above the largest", where="clip-weights", found=f"low {low}, high {high}")
        super().__init__(balancer)
        self.low, self.high = low, high

    def weigh(self, statistic: Statistic) -> Answer:
        """The weights of the balancer inside, cut.

        Raises:
            ConfigError: It gives a direction.
        """
        answer = require_weights(self.balancer.weigh(statistic), "clip-weights")
        if not is_solved(answer):
            return answer
        return replace(answer, values=answer.values.clamp(self.low, self.high))
