"""Weights from the optimum of uncertainty weighting."""

from __future__ import annotations

from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import inverses, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class UWSO(Balancer):
    """Soft optimal uncertainty weighting (Kirchdorfer et al., GCPR 2024).

    The uncertainties of `Uncertainty` have the optimum σ_t² = L_t, hence weights 1 / L_t. Their softmax tempers them:

        w = T softmax((1 / L) / τ)

    where the losses are held constant. Nothing is learned, so that weights follow the losses at once. Heads are weighted too.

    Scale: the paper's weights sum to 1; they are multiplied by T. Multiplying all losses by c is the same as multiplying τ by c.

    Defaults: τ = 1 (ours; the paper tunes it for every data set).

    Deviations: a task whose loss is 0 (below 1e-30) has the weight 0, and the others share T, where the formula would give that task all.

    Fails: 1 / L_t is in units of the losses, so that τ has to be adapted to them; the task with by far the smallest loss gets all the
    weight.

    Args:
        temperature: Temperature τ, above 0. The larger it is, the closer all weights are to 1.

    Raises:
        ConfigError: The temperature is not above 0.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> UWSO().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([0.5, 1.0]))).values
        tensor([1.4621, 0.5379], dtype=torch.float64)
    """

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = check_positive(temperature, "uw-so, temperature")

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = T softmax((1 / L) / τ).

        Raises:
            ConfigError: A loss is negative.
        """
        parts = {task: part for task, part in enumerate(inverses(non_negative_losses(statistic, "uw-so"))) if part > 0.0}
        weights = torch.zeros(len(statistic.names), dtype=torch.float64)
        if not parts:
            return Weights(weights, heads=True, solved=False)
        exponents = [min(part / self.temperature, 1e300) for part in parts.values()]
        weights[list(parts)] = torch.tensor(softmax(exponents), dtype=torch.float64) * len(weights)
        return Weights(weights, heads=True)
