"""Conflict-averse gradient descent."""

from __future__ import annotations

from math import sqrt
from typing import final

import numpy as np

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.nonzero_rows import weigh_nonzero_rows
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import cancels, project_on_dual_cone, solve_conflict_averse
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class CAGrad(Balancer):
    """Direction near the mean gradient that helps the worst task most (Liu et al., NeurIPS 2021, eq. 3 and algorithm 1).

        max over d of min_t g_t · d,    subject to ‖d − g₀‖ ≤ c ‖g₀‖,    with g₀ = Jᵀ 1 / T

    The dual problem, with φ = c ‖g₀‖ and w = argmin wᵀ G 1 / T + φ √(wᵀ G w) over the simplex, gives d = g₀ + φ Jᵀ w / ‖Jᵀ w‖.
    For c = 0 this is the mean; for c → ∞ it has MGDA's direction; for c ≥ 1 it opposes no task. The minimum is exact.

    Rescaling divides d by 1 (`rescale=0`), 1 + c² (1) or 1 + c (2), as in the authors' code.

    Scale: the paper's scale is that of the mean; it is multiplied by T. If a convex combination of the gradients vanishes (a
    Pareto-stationary point) and w is that combination, w does not determine d: every d in the ball that opposes no task has the same
    worst case, 0. Of these, d is the one that is nearest to g₀; if that is 0, which only c ≥ 1 allows, the step is marked as
    unsolved. A zero row is left out: T, g₀ and w are those of the other tasks. Heads get the plain gradient of their task.

    On T identical gradients ‖d‖ is (1 + c) / (1 + c²) times the sum with rescaling 1, which is 1.207 for c = 0.4; with rescaling 2 it is 1.

    Defaults: c = 0.4 and rescaling 1, from the authors' code for NYUv2 (their toy problem uses c = 0.5 and rescaling 2).

    Deviations: the exact minimum of the dual problem, where the authors stop a general solver and add 1e-8 to ‖Jᵀ w‖; zero rows are left
    out. The authors clip d to norm 1 where they use Nash-MTL's code; here this is left to the training loop.

    Fails: for c < 1 the direction may still oppose a task; near a Pareto-stationary point it changes rapidly.

    Args:
        c: Radius of the ball around the mean gradient, relative to its length; at least 0.
        rescale: Rescaling of d: 0, 1 or 2.

    Raises:
        ConfigError: c or the rescaling is outside its range.

    Example:
        >>> import torch
        >>> CAGrad(c=0.5, rescale=0).aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])) / 2
        tensor([0.1835, 1.2041, 1.2041])
    """

    def __init__(self, c: float = 0.4, rescale: int = 1) -> None:
        if not 0 <= c < float("inf"):
            raise ConfigError("a number from 0 up is needed", where="cagrad, c", found=c)
        if rescale not in (0, 1, 2):
            raise ConfigError("0, 1 or 2 is needed", where="cagrad, rescale", found=rescale)
        self.c, self.rescale = float(c), rescale

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return 1 + T φ w / ‖Jᵀ w‖, rescaled."""
        return weigh_nonzero_rows(statistic.gramian().numpy(), lambda G: self._weights(G, statistic.round_off))

    def _weights(self, G: np.ndarray, round_off: float) -> np.ndarray | None:
        tasks, weights = len(G), np.ones(len(G))
        divisor = (1.0, 1.0 + self.c**2, 1.0 + self.c)[self.rescale]
        phi = self.c * sqrt(max(float(G.sum()), 0.0)) / tasks
        if phi > 0.0:
            w = solve_conflict_averse(G, self.c, round_off=round_off)
            if cancels(w, G, round_off):
                nearest = project_on_dual_cone(G, np.ones((1, tasks)))[0]
                return None if cancels(nearest, G, round_off) else nearest / divisor
            weights += tasks * phi / sqrt(float(w @ G @ w)) * w
        return weights / divisor
