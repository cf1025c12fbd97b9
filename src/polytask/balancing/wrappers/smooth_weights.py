"""Weights averaged over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer
from polytask.balancing.building_blocks.option_checks import check_below_one
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.wrapper import Wrapper, is_solved, require_weights


@final
class SmoothWeights(Wrapper):
    """CR-MOGM: weights averaged over time, to reduce the noise of single batches (Zhou et al., NeurIPS 2022).

    With λ̂_k the weights of the wrapped balancer in step k, and λ_k the weights that are used,

        λ_k = a λ_{k−1} + (1 − a) λ̂_k

    for every task (and, if there are groups of parameters, in every group). A task's first weight is λ̂ itself. Averages are
    kept per task, and do not change while the task is absent. Scale and heads are those of the wrapped balancer. If it finds no
    solution, its answer is passed through and not averaged.

    Defaults: a = 0.9 (ours). The paper lets a grow towards 1 as the learning rate falls; for this, change the attribute
    `decay` between steps.

    Deviations: none.

    Fails: balancers that return a direction have no weights; they are refused.

    Args:
        balancer: Wrapped balancer, which must return weights.
        decay: Factor a of the previous weights, in [0, 1); 0 means no averaging.

    Raises:
        ConfigError: a is not in [0, 1).

    Example:
        >>> from polytask.balancing import Equal
        >>> SmoothWeights(Equal()).aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def __init__(self, balancer: Balancer, decay: float = 0.9) -> None:
        check_below_one(decay, "smooth-weights, decay")
        super().__init__(balancer)
        self.decay = decay
        self._past: dict[str, Tensor] = {}
        self._present: dict[str, Tensor] = {}  # weights of the current step

    def weigh(self, statistic: Statistic) -> Answer:
        """Return λ_k, which `update_state` makes the previous weights of the next step.

        Raises:
            ConfigError: The wrapped balancer returns a direction.
        """
        answer = require_weights(self.balancer.weigh(statistic), "smooth-weights")
        self._present = {}
        if not is_solved(answer):
            return answer
        fresh = answer.values
        past = [self._past.get(task, now) for task, now in zip(statistic.names, fresh.unbind(-1), strict=True)]
        values = torch.lerp(fresh, torch.stack(past, dim=-1), self.decay)  # exactly λ̂ where there is no past
        self._present = dict(zip(statistic.names, values.unbind(-1), strict=True))
        return replace(answer, values=values)

    def update_state(self, statistic: Statistic) -> None:
        """Store the weights of the step, and update the state of the wrapped balancer."""
        self._past |= self._present
        self._present = {}
        super().update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """Return λ of every task, and the state of the wrapped balancer."""
        return {"weights": {task: past.clone() for task, past in self._past.items()}, **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        super().load_state_dict(state)
        self._past = {task: past.clone() for task, past in state["weights"].items()}
        self._present = {}
