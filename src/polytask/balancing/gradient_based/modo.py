"""Weights based on the product of the gradients of two independent batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_non_negative, check_positive
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import CrossGramian, Needs
from polytask.balancing.solvers import project_simplex
from polytask.balancing.statistic import Statistic


@final
class MoDo(Balancer):
    """Multi-objective gradient with double sampling (Chen, Fernando, Ying & Chen, NeurIPS 2023, algorithm 2).

    With Jacobians J₁, J₂, J₃ of three independent batches,

        λ ← Π(λ − γ (J₁ J₂ᵀ λ + ρ λ)),    d = T J₃ᵀ λ

    where Π is the projection onto the simplex. E[J₁ J₂ᵀ] is the product of the expected Jacobians; the expected Gramian of a single
    batch is not, since its noise is squared. Heads get the plain gradient of their task on the third batch. Cost: three forward
    passes, and 2 T + 1 backward passes of the trunk.

    Scale: the paper's λ sums to 1; it is multiplied by T. d is not homogeneous in J: γ is a step along J₁ J₂ᵀ.

    Defaults: γ = 1e-3 and ρ = 0.1, as in LibMTL's implementation; λ starts uniform.

    Deviations: heads learn from the third batch alone; the authors' code, as included in LibMTL, gives them the mean gradient of the three
    batches.

    Fails: γ has to be adapted to the size of the losses.

    Args:
        gamma: Learning rate γ of λ, above 0.
        rho: Strength ρ with which λ is pulled towards uniform weights, at least 0.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> MoDo().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    batches = 3

    reads_once = True

    def __init__(self, gamma: float = 1e-3, rho: float = 0.1) -> None:
        self.gamma, self.rho = check_positive(gamma, "modo, gamma"), check_non_negative(rho, "modo, rho")
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """Request J₁ J₂ᵀ."""
        return CrossGramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return T λ."""
        shares = self._shares.of(statistic.names)
        slope = statistic.cross_gramian(0, 1).numpy() @ shares + self.rho * shares
        shares = project_simplex(shares - self.gamma * slope)
        self._shares.put(statistic.names, shares)
        return Weights(torch.from_numpy(shares * len(shares)), heads=False)

    def state_dict(self) -> dict[str, Any]:
        """Return λ of every task."""
        return {"shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])
