"""Impartial multi-task learning, both parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.gradient_based.imtl_g import equal_projections
from polytask.balancing.loss_based.imtl_l import IMTLL
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.statistic import Statistic


@final
class IMTL(Balancer):
    """IMTL-L's losses through IMTL-G (Liu et al., ICLR 2021, section 3.3, algorithm 1).

    With IMTL-L's scalars s_t, the losses are exp(s_t) L_t − s_t: private parameters get exp(s_t) g_t; the gradients of the shared
    parameters, exp(s_t) g_t, are combined so that the update's projections on them are equal, which is IMTL-G:

        d = T Jᵀ diag(exp(s)) w,    w ∝ G_s⁺ √diag(G_s),    G_s = diag(exp(s)) G diag(exp(s)),    Σ w_t = 1

    Scale: as IMTL-G's, multiplied by T. A zero row gets no weight.

    Defaults: those of IMTL-L.

    Deviations: those of IMTL-L (s has an optimizer of its own) and of IMTL-G (the pseudo-inverse).

    Fails: as both of its parts do.

    Args:
        lr: Learning rate of s.

    Raises:
        ConfigError: The learning rate is not above 0.

    Example:
        >>> IMTL().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], dtype=torch.float64)) / 2
        tensor([0.0767, 1.0000, 1.0000], dtype=torch.float64)
    """

    def __init__(self, lr: float = 0.01) -> None:
        self._of_losses = IMTLL(lr)
        self.lr = lr

    def needs(self) -> Needs:
        """The Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """exp(s_t) for private parameters, and times IMTL-G's weights for the shared ones."""
        scales = self._of_losses.weigh(statistic).values
        weights = equal_projections((statistic.gramian() * scales[:, None] * scales).numpy())
        if weights is None:
            return Weights(torch.zeros(len(scales), dtype=torch.float64), heads=False, solved=False, private=scales)
        return Weights(torch.from_numpy(weights) * scales, heads=False, private=scales)

    def update_state(self, statistic: Statistic) -> None:
        """Step the s_t of the tasks present."""
        self._of_losses.update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """That of IMTL-L."""
        return self._of_losses.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._of_losses.load_state_dict(state)
