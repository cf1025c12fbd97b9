"""Weights clipped to bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from polytask.balancing.balancer import Answer, Balancer
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights
from polytask.errors import ConfigError


@final
class ClipWeights(Wrapper):
    """Weights clipped to [low, high], each separately: w_t ← min(max(w_t, low), high).

    Use it for methods whose weights may be negative or unbounded, such as IMTL-G if gradients nearly oppose each other. The
    sum of the weights is not restored: bounds and a fixed sum contradict each other if T low or T high lies on the wrong
    side of it, and a task's weight would depend on how much the others were clipped. Scale and heads are those of the wrapped
    balancer. If it finds no solution, its answer is passed through unchanged.

    Defaults: low = 0 and no upper bound (ours), so that no task is trained to become worse.

    Fails: balancers that return a direction have no weights; they are refused.

    Args:
        balancer: Wrapped balancer, which must return weights.
        low: Smallest weight.
        high: Largest weight.

    Raises:
        ConfigError: The interval [low, high] contains no finite weight.

    Example:
        >>> import torch
        >>> from polytask.balancing import Fixed
        >>> ClipWeights(Fixed({"0": 0.2, "1": 9.0}), low=0.5, high=2.0).aggregate(torch.eye(2))
        tensor([0.5000, 2.0000])
    """

    def __init__(self, balancer: Balancer, low: float = 0.0, high: float = float("inf")) -> None:
        if not (low <= high and low < float("inf") and high > float("-inf")):
            raise ConfigError("[low, high] must contain a finite weight", where="clip-weights", found=f"low {low}, high {high}")
        super().__init__(balancer)
        self.low, self.high = low, high

    def weigh(self, statistic: Statistic) -> Answer:
        """Return the clipped weights of the wrapped balancer.

        Raises:
            ConfigError: The wrapped balancer returns a direction.
        """
        answer = require_weights(self.balancer.weigh(statistic), "clip-weights")
        if not is_solved(answer):
            return answer
        return replace(answer, values=answer.values.clamp(self.low, self.high))
