"""Weights from the product of two independent batches' gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_non_negative, check_positive
from polytask.balancing.building_blocks.task_shares import TaskShares
from polytask.balancing.needs import CrossGramian, Needs
from polytask.balancing.solvers import project_simplex
from polytask.balancing.statistic import Statistic


@final
class MoDo(Balancer):
    """Multi-objective gradient with double sampling (Chen, Fernando, Ying & Chen, NeurIPS 2023, algorithm 2).

    Of three independent batches, with Jacobians J₁, J₂, J₃,

        λ ← Π(λ − γ (J₁ J₂ᵀ λ + ρ λ)),    d = T J₃ᵀ λ

    E[J₁ J₂ᵀ] is the product of the expected Jacobians; a single batch's Gramian is not, since its noise is squared. Heads get the
    plain gradient of their own task on the third batch. Cost: three forwards, 2 T backwards of the trunk and one more.

    Scale: the paper's λ sums to 1; it is multiplied by T. d is not homogeneous in J: γ is a step along J₁ J₂ᵀ.

    Defaults: γ = 1e-3 and ρ = 0.1, those of LibMTL's implementation; λ starts uniform.

    Deviations: none.

    Fails: losses of very different sizes need another γ.

    Args:
        gamma: γ, above 0.
        rho: ρ, from 0 up.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> MoDo().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    batches = 3

    def __init__(self, gamma: float = 1e-3, rho: float = 0.1) -> None:
        self.gamma, self.rho = check_positive(gamma, "modo, gamma"), check_non_negative(rho, "modo, rho")
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """J₁ J₂ᵀ."""
        return CrossGramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """T λ."""
        shares = self._shares.of(statistic.names)
        slope = statistic.cross_gramian(0, 1).numpy() @ shares + self.rho * shares
        shares = project_simplex(shares - self.gamma * slope)
        self._shares.put(statistic.names, shares)
        return Weights(torch.from_numpy(shares * len(shares)), heads=False)

    def state_dict(self) -> dict[str, Any]:
        """λ per task."""
        return {"shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._shares.load_state_dict(state["shares"])
