"""Multi-task learning as a bargaining game."""

from __future__ import annotations

from math import sqrt
from typing import final

import numpy as np

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.nonzero_rows import weigh_nonzero_rows
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import solve_alpha_fair
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class NashMTL(Balancer):
    """Nash bargaining solution of the tasks (Navon et al., ICML 2022, claim 3.1).

    The d within a ball that maximizes Σ_t log(g_t · d) is a multiple of Jᵀ a, where a > 0 solves

        G a = 1 / a    (elementwise),    d = Jᵀ a

    so that every task contributes equally: a_t g_t · d = 1. The equation is solved exactly, as a convex problem, by Newton's
    method. d does not change when a task's loss is multiplied by a constant, and opposes no task.

    Scale: as in the paper. ‖d‖² = aᵀ G a = T for any gradients, so the learning rate alone determines the length of a step. If
    a convex combination of the gradients vanishes, there is no solution: d = 0, marked as unsolved. A zero row is left out. Heads
    get the plain gradient of their task.

    Defaults: no largest norm; the authors' code scales d to at most `max_norm` = 1, which is a constant factor 1 / √T.

    Deviations: heads are not weighted (the authors weight them with a_t, too). Weights are solved for in every step; wrap the
    balancer in `UpdateEvery` for the authors' `update_weights_every`.

    Fails: near a Pareto-stationary point a grows while ‖d‖ stays √T: steps do not shrink as the gradients vanish, so the learning
    rate has to decrease.

    Args:
        max_norm: Largest ‖d‖, above 0; `None` means no limit.

    Raises:
        ConfigError: `max_norm` is not above 0.

    Example:
        >>> import torch
        >>> NashMTL(max_norm=1).aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.0542, 0.7061, 0.7061])
    """

    def __init__(self, max_norm: float | None = None) -> None:
        if max_norm is not None and not 0 < max_norm < float("inf"):
            raise ConfigError("a number above 0 is needed", where="nash-mtl, max_norm", found=max_norm)
        self.max_norm = max_norm

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return a, scaled to at most the largest norm."""
        return weigh_nonzero_rows(statistic.gramian().numpy(), lambda G: self._weights(G, statistic.round_off))

    def _weights(self, G: np.ndarray, round_off: float) -> np.ndarray | None:
        weights, length = solve_alpha_fair(G, round_off=round_off), sqrt(len(G))
        return weights if weights is None or self.max_norm is None else weights * min(1.0, self.max_norm / length)
