"""Impartial multi-task learning: loss balance and gradient balance together."""

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
    """IMTL-G applied to the losses of IMTL-L (Liu et al., ICLR 2021, section 3.3, algorithm 1).

    With IMTL-L's scalars s_t, the losses are exp(s_t) L_t − s_t. Private parameters get exp(s_t) g_t. The gradients of the shared
    parameters, exp(s_t) g_t, are combined by IMTL-G, so that the update has equal projections on all of them:

        d = T Jᵀ diag(exp(s)) w,    w ∝ G_s⁺ √diag(G_s),    G_s = diag(exp(s)) G diag(exp(s)),    Σ w_t = 1

    Scale: as for IMTL-G, multiplied by T. A zero row gets no weight.

    Defaults: those of IMTL-L.

    Deviations: those of IMTL-L (a separate optimizer for s) and of IMTL-G (the pseudo-inverse).

    Fails: wherever IMTL-L or IMTL-G fails.

    Args:
        lr: Learning rate of s, above 0.

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
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return exp(s_t) for private parameters, and exp(s_t) times IMTL-G's weights for shared ones."""
        scales = self._of_losses.weigh(statistic).values
        weights = equal_projections((statistic.gramian() * scales[:, None] * scales).numpy(), statistic.round_off)
        if weights is None:
            return Weights(torch.zeros(len(scales), dtype=torch.float64), heads=False, solved=False, private=scales)
        return Weights(torch.from_numpy(weights) * scales, heads=False, private=scales)

    def update_state(self, statistic: Statistic) -> None:
        """Update s_t of the tasks present."""
        self._of_losses.update_state(statistic)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of IMTL-L."""
        return self._of_losses.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._of_losses.load_state_dict(state)
