"""Descent along tracked gradients, with weights that change slowly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Direction
from polytask.balancing.building_blocks.kept_rows import kept_row
from polytask.balancing.building_blocks.option_checks import check_fraction, check_non_negative, check_positive
from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import Jacobian, Needs
from polytask.balancing.solvers import project_simplex
from polytask.balancing.statistic import Statistic


@final
class MoCo(Balancer):
    """Multi-objective gradient correction (Fernando et al., ICLR 2023, algorithm 1).

    In step k = 1, 2, … the gradient of every task is tracked, and the weights take one step towards those of the shortest convex
    combination of the tracked gradients, Y (T, P):

        y_t ← y_t − β_k (y_t − g_t),    λ ← Π(λ − 2 γ_k (Y Yᵀ + ρ I) λ),    d = T Yᵀ λ

    with Y = 0 at the start, β_k = β / k^σ_β, γ_k = γ / k^σ_γ, and Π the projection onto the simplex: 2 (Y Yᵀ + ρ I) λ is the slope of
    ‖Yᵀ λ‖² + ρ ‖λ‖². Stochastic gradients bias the solution of the min-norm problem; tracking removes that bias in the limit. Heads get
    the plain gradient of their task. Memory: T × P numbers.

    Scale: the paper's λ sums to 1; it is multiplied by T. Since Y starts at 0, d is β times its usual length in the first step. d is not
    homogeneous in J: γ is a step along G, whose size depends on the losses' scale. A zero row is tracked like any other.

    Defaults: β = γ = 0.1, constant, and ρ = 0, as in the authors' code; λ starts uniform. LibMTL's values (β = 0.5, γ = 0.1, both falling
    with √k) belong to another algorithm, which scales every gradient to the length of its loss and replaces Π by a softmax.

    Deviations: y_t is not projected onto a ball (which the paper needs for its proof); d uses the new Y and λ, not those of the previous
    step. k counts the steps of the balancer.

    Fails: long gradients make the weights jump between the corners of the simplex; choose a smaller γ.

    Args:
        beta: Rate β with which Y follows the gradients, from 0 to 1.
        beta_sigma: Exponent σ_β with which β decreases over the steps, at least 0.
        gamma: Learning rate γ of λ, above 0.
        gamma_sigma: Exponent σ_γ with which γ decreases over the steps, at least 0.
        rho: Strength ρ with which λ is pulled towards uniform weights, at least 0.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> MoCo().aggregate(torch.eye(2))
        tensor([0.1000, 0.1000])
    """

    remembers_gradients = True
    reads_once = True

    def __init__(self, beta: float = 0.1, beta_sigma: float = 0.0, gamma: float = 0.1, gamma_sigma: float = 0.0, rho: float = 0.0) -> None:
        self.beta, self.beta_sigma = check_fraction(beta, "moco, beta"), check_non_negative(beta_sigma, "moco, beta_sigma")
        self.gamma, self.gamma_sigma = check_positive(gamma, "moco, gamma"), check_non_negative(gamma_sigma, "moco, gamma_sigma")
        self.rho = check_non_negative(rho, "moco, rho")
        self._steps = 0
        self._shares = TaskShares()
        self._tracked: dict[str, Tensor] = {}

    def needs(self) -> Needs:
        """Request the Jacobian."""
        return Jacobian()

    def weigh(self, statistic: Statistic) -> Direction:
        """Return d = T Yᵀ λ."""
        step, names, rows = self._steps + 1, statistic.names, statistic.jacobian()
        known = [kept_row(self._tracked, name, row) for name, row in zip(names, rows, strict=True)]
        tracked = torch.stack([y + (row - y) * (self.beta / step**self.beta_sigma) for y, row in zip(known, rows, strict=True)])
        exact = tracked.double()
        (products,) = statistic.read(exact @ exact.T)
        G = products.numpy()
        # Nothing that is remembered has changed up to here, where a step with numbers that are not finite ends.
        self._steps = step
        for y, moved in zip(known, tracked, strict=True):
            y.copy_(moved)
        shares = self._shares.of(names)
        shares = project_simplex(shares - 2.0 * self.gamma / step**self.gamma_sigma * (G @ shares + self.rho * shares))
        self._shares.put(names, shares)
        direction = len(names) * row_combination(torch.from_numpy(shares), tracked, products)
        return Direction(direction, largest=len(names) * float(shares @ np.sqrt(G.diagonal())))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, and λ and Y of every task."""
        tracked = {task: row.clone() for task, row in self._tracked.items()}
        return {"steps": self._steps, "shares": self._shares.state_dict(), "tracked": tracked}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._steps = int(state["steps"])
        self._shares.load_state_dict(state["shares"])
        self._tracked = {task: row.clone() for task, row in state["tracked"].items()}
