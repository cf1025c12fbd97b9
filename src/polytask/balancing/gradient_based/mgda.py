"""Shortest convex combination of the tasks' gradients."""

from __future__ import annotations

from typing import Literal, final, get_args

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import non_negative_losses
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import minimum_norm
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

GradientNormalization = Literal["none", "l2", "loss", "loss+"]


@final
class MGDA(Balancer):
    """Multiple-gradient descent (Désidéri, C. R. Acad. Sci. 2012; Sener & Koltun, NeurIPS 2018, eq. 3).

        w = argmin wᵀ G w over {w: w ≥ 0, Σ w_t = 1},    d = T Jᵀ w

    d does not oppose any task: g_t · d ≥ ‖d‖² / T. The minimum is exact (Wolfe's method), not a few steps of Frank-Wolfe.

    With a normalization, w is the minimum for c_t g_t, but d combines the gradients without these factors: c_t = 1 / ‖g_t‖
    (`l2`), 1 / L_t (`loss`) or 1 / (L_t ‖g_t‖) (`loss+`), as in the authors' code.

    Scale: the paper's weights sum to 1; they are multiplied by T. A zero row gets all the weight, so that d = 0: a task at its
    optimum cannot be improved, and any step would leave the optimum. With `drop_zero` such a task is ignored. Heads get the
    plain gradient of their task.

    Defaults: no normalization, as in the papers' equations.

    Deviations: none in the problem; the authors solve it approximately.

    Fails: short gradients dominate: the direction is at most T times as long as the shortest one, so that a converged task
    almost stops the others.

    Args:
        normalization: Normalization of the gradients: `none`, `l2`, `loss` or `loss+`.
        drop_zero: Whether to leave out zero rows.

    Raises:
        ConfigError: The normalization is unknown.

    Example:
        >>> MGDA().aggregate(torch.tensor([[2.0, 0.0], [0.0, 1.0]])) / 2
        tensor([0.4000, 0.8000])
    """

    def __init__(self, normalization: GradientNormalization = "none", *, drop_zero: bool = False) -> None:
        if normalization not in get_args(GradientNormalization):
            remedy = f"Choose from: {', '.join(get_args(GradientNormalization))}"
            raise ConfigError("unknown normalization", where="mgda, normalization", found=normalization, remedy=remedy)
        self.normalization, self.drop_zero = normalization, drop_zero

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return T argmin wᵀ G w.

        Raises:
            ConfigError: The normalization divides by a loss that is negative.
        """
        G = statistic.gramian().numpy()
        weights = np.zeros(len(G))
        kept = np.flatnonzero(self._takes_part(statistic, G))
        if len(kept):
            factors = self._factors(statistic, G)[kept]
            weights[kept] = minimum_norm(G[np.ix_(kept, kept)] * factors[:, None] * factors) * len(G)
        return Weights(torch.from_numpy(weights), heads=False)

    def _takes_part(self, statistic: Statistic, G: np.ndarray) -> np.ndarray:
        """Return which rows are combined: (T,). A normalization by the loss has none for a task whose loss is exactly 0."""
        rows = G.diagonal() > 0.0 if self.drop_zero else np.ones(len(G), dtype=bool)
        return rows & (statistic.losses.numpy() != 0.0) if self.normalization in ("loss", "loss+") else rows

    def _factors(self, statistic: Statistic, G: np.ndarray) -> np.ndarray:
        factors = np.ones(len(G))
        if self.normalization in ("l2", "loss+"):
            lengths = np.sqrt(G.diagonal())
            factors /= np.where(lengths > 0.0, lengths, 1.0)
        if self.normalization in ("loss", "loss+"):
            losses = np.array(non_negative_losses(statistic, f"mgda({self.normalization})"))
            factors /= np.where(losses > 0.0, losses, 1.0)
        return factors
