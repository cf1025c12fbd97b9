"""Geometric mean of the losses."""

from __future__ import annotations

from math import exp, fsum, log
from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import non_negative_losses
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class GLS(Balancer):
    """Geometric loss strategy: the geometric mean of the losses (Chennupati et al., CVPR Workshops 2019).

        L = (Π L_t)^(1/T),    so    w_t = L / (T L_t)

    computed through logarithms, so that the product neither underflows nor overflows. Heads are weighted too.

    Scale: as in the paper. With equal losses every weight is 1/T. Multiplying one task's loss by c multiplies the whole
    update by c^(1/T), so the direction does not depend on the units of the losses.

    Defaults: the method has no options.

    Deviations: none. The paper's focused variant, which counts some losses twice, is not offered.

    Fails: if a loss is exactly 0, the mean is 0 and has no derivative; the weights are then 0 and marked as unsolved.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> GLS().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([1.0, 4.0]))).values
        tensor([1.0000, 0.2500], dtype=torch.float64)
    """

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = L / (T L_t).

        Raises:
            ConfigError: A loss is negative.
        """
        losses = non_negative_losses(statistic, "gls")
        above = [loss for loss in losses if loss]
        mean = exp(fsum(map(log, above)) / len(above)) if above else 0.0
        weights = [mean / (len(above) * loss) if loss else 0.0 for loss in losses]
        return Weights(torch.tensor(weights, dtype=torch.float64), heads=True)
