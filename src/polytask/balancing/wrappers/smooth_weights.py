"""Weights that are averaged over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights
from polytask.errors import ConfigError


@final
class SmoothWeights(Wrapper):
    """CR-MOGM: weights that are averaged over time, so that one batch's noise does not decide (Zhou et al., NeurIPS 2022).

    With λ̂_k the weights of the balancer inside at step k, and λ_k those that are used,

        λ_k = a λ_{k−1} + (1 − a) λ̂_k

    for every task (and, if there are groups of parameters, in every group). A task's first weight is λ̂ itself. The average
    belongs to the task: it pauses while the task is absent. Scale and heads are those of the balancer inside. Where that
    one finds no solution, its answer goes through and is not averaged.

    Defaults: a = 0.9 (ours). The paper wants a to grow towards 1 as the learning rate falls: `smoothed.a` may be changed
    between steps.

    Deviations: none.

    Fails: balancers that give a direction have no weights; they are refused.

    Args:
        balancer: The one inside.
        decay: Share of the past, from 0 (none) to below 1.

    Raises:
        ConfigError: a is not in [0, 1).

    Example:
        >>> from polytask.balancing import Equal
        >>> SmoothWeights(Equal()).aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, balancer: Balancer, decay: float = 0.9) -> None:
        if not 0 <= decay < 1:
            raise ConfigError("the share of the past is from 0 to below 1", where="smooth-weights, decay", found=decay)
        super().__init__(balancer)
        self.a = decay
        self._past: dict[str, Tensor] = {}
        self._present: dict[str, Tensor] = {}  # of the step that is under way

    def weigh(self, statistic: Statistic) -> Answer:
        """λ_k; the step's end makes it the past.

        Raises:
            ConfigError: The balancer inside gives a direction.
        """
        answer = require_weights(self.balancer.weigh(statistic), "smooth-weights")
        self._present = {}
        if not is_solved(answer):
            return answer
        fresh = answer.values
        past = [self._past.get(task, now) for task, now in zip(statistic.names, fresh.unbind(-1), strict=True)]
        values = torch.lerp(fresh, torch.stack(past, dim=-1), self.a)  # exactly λ̂ where there is no past
        self._present = dict(zip(statistic.names, values.unbind(-1), strict=True))
        return replace(answer, values=values)

    def update_state(self, statistic: Statistic) -> None:
        """The step is over: remember its weights, and let the balancer inside learn."""
        self._past |= self._present
        self._present = {}
        super().update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """Per task λ, and what the balancer inside remembers."""
        return {"weights": {task: past.clone() for task, past in self._past.items()}, **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        super().load_state_dict(state)
        self._past = {task: past.clone() for task, past in state["weights"].items()}
        self._present = {}
