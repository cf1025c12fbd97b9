"""Equal weights."""

from __future__ import annotations

from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.needs import Needs, Nothing
from polytask.balancing.statistic import Statistic


@final
class Equal(Balancer):
    """Plain sum of the losses: L = Σ L_t over the tasks present, so d = Σ g_t.

    It is the common reference of all balancers, and hard to beat when the learning rate is tuned (Kurin et al., NeurIPS
    2022; Xin et al., NeurIPS 2022). Heads get the gradient of their task, which is the gradient of the sum.

    Scale: the reference of this library: every other method is compared with this sum.

    Fails: if losses differ greatly in size, the largest one determines the shared parameters.

    Example:
        >>> Equal().aggregate(torch.eye(2))
        tensor([1., 1.])
    """

    def needs(self) -> Needs:
        """Request nothing."""
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return a weight of 1 per task."""
        return Weights(torch.ones(len(statistic.names), dtype=torch.float64), heads=True)
