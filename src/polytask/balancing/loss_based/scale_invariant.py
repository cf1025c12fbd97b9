"""The sum of the logarithms of the losses."""

from __future__ import annotations

from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import non_negative_losses
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class ScaleInvariant(Balancer):
    """Scale-invariant linear scalarization: the sum of the losses' logarithms (Navon et al., ICML 2022: their baseline SI).

        L = Σ log L_t,    so    w_t = 1 / L_t

    Heads are weighted too.

    Scale: the paper's own. Multiplying a task's loss by a constant changes nothing at all, so the
    tasks' units do not matter, and the update does not become small as the losses do.

    Defaults: there is nothing to choose.

    Deviations: none.

    Fails: near a loss of 0 its weight has no bound. At exactly 0 it is set to 0: a loss that cannot be negative has no
    slope there, so that any weight gives the same update.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> ScaleInvariant().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([0.5, 4.0]))).values
        tensor([2.0000, 0.2500], dtype=torch.float64)
    """

    def needs(self) -> Needs:
        """The losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """1 / L_t.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = non_negative_losses(statistic, "scale-invariant")
        return Weights(torch.tensor([1 / loss if loss else 0.0 for loss in losses], dtype=torch.float64), heads=True)
