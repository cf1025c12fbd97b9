"""Fair resource allocation among tasks."""

from __future__ import annotations

from typing import final

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.nonzero_rows import weigh_nonzero_rows
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import solve_alpha_fair
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class FairGrad(Balancer):
    """Direction with α-fair progress among the tasks (Ban & Ji, ICML 2024, eq. 6).

    The d within a ball that maximizes Σ_t (g_t · d)^(1−α) / (1 − α) is a multiple of Jᵀ w, where w > 0 solves

        G w = w^(−1/α)    (elementwise),    d = Jᵀ w

    α → 0 gives the direction of the plain sum, α = 1 is Nash-MTL, α = 2 minimizes the total delay, α → ∞ helps the worst task
    most. The equation is solved exactly by Newton's method. d opposes no task.

    Scale: as in the paper; d is homogeneous of degree (1 − α) / (1 + α) in the gradients, which is 0 for α = 1. If a convex
    combination of the gradients vanishes, there is no solution: d = 0, marked as unsolved. A zero row is left out. Heads get the
    plain gradient of their task.

    Defaults: α = 2, as in all run scripts of the authors.

    Deviations: the authors' code multiplies d by T and clips it to norm 1. Both are left to the learning rate and the training loop.

    Fails: like Nash-MTL near a Pareto-stationary point; the larger α is, the more a short gradient is enlarged.

    Args:
        alpha: Fairness α, above 0.

    Raises:
        ConfigError: α is not above 0.

    Example:
        >>> import torch
        >>> FairGrad(alpha=1).aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.0766, 0.9985, 0.9985])
    """

    def __init__(self, alpha: float = 2.0) -> None:
        if not 0 < alpha < float("inf"):
            raise ConfigError("a number above 0 is needed", where="fairgrad, alpha", found=alpha)
        self.alpha = float(alpha)

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w."""
        round_off = statistic.round_off
        return weigh_nonzero_rows(statistic.gramian().numpy(), lambda G: solve_alpha_fair(G, self.alpha, round_off=round_off))
