"""Sum of the logarithms of the losses."""

from __future__ import annotations

from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import non_negative_losses
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class ScaleInvariant(Balancer):
    """Scale-invariant linear scalarization: the sum of the losses' logarithms (Navon et al., ICML 2022: the baseline SI).

        L = Σ log L_t,    so    w_t = 1 / L_t

    Heads are weighted too.

    Scale: as in the paper. Multiplying a task's loss by a constant changes nothing, so the units of the losses do not
    matter, and the update does not shrink as the losses do.

    Defaults: the method has no options.

    Deviations: none.

    Fails: as a loss approaches 0, its weight grows without bound. At exactly 0 the weight is set to 0: the gradient of a
    non-negative loss is 0 there, so that any weight gives the same update.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> ScaleInvariant().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([0.5, 4.0]))).values
        tensor([2.0000, 0.2500], dtype=torch.float64)
    """

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = 1 / L_t.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = non_negative_losses(statistic, "scale-invariant")
        return Weights(torch.tensor([1 / loss if loss else 0.0 for loss in losses], dtype=torch.float64), heads=True)
