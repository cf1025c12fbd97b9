"""Weights shared by groups of tasks whose risks are similar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.loss_checks import inverses, non_negative_losses
from polytask.balancing.building_blocks.option_checks import check_count, check_positive
from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.solvers import group_means
from polytask.balancing.statistic import Statistic


@final
class GO4Align(Balancer):
    """Group optimization for multi-task alignment (Shen et al., NeurIPS 2024).

    Every task has a share p_t, which adapts to the losses of all steps, and a risk weight, which brings all losses to one scale:

        p_t ← p_t exp(−η L_t) / Σ_s p_s exp(−η L_s),    r_t = p_t Σ_s L_s / L_t

    The tasks are divided into K groups by k-means of r, and every task gets the mean of its group as its weight w_t. Heads are
    weighted too.

    Scale: as in the paper, with Σ p_t = 1: T tasks with equal losses and shares have weights 1.

    Defaults: K = 2 and η = 0.01 (ours; the paper tunes both).

    Deviations: r are numbers on a line, on which the best groups are found exactly instead of by iterations from random centers. A task
    whose loss is 0 (below 1e-30) has the weight 0.

    Fails: p follows the sum of all losses so far, so that in long training the task with the smallest losses gets all of it.

    Args:
        groups: Largest number K of groups, at least 1.
        lr: Step size η of the shares, above 0.

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> GO4Align().weigh(statistic_from_jacobian(torch.eye(3), torch.tensor([1.0, 1.0, 2.0]))).values
        tensor([1.3378, 1.3378, 0.6622], dtype=torch.float64)
    """

    def __init__(self, groups: int = 2, lr: float = 0.01) -> None:
        check_count(groups, "go4align, groups")
        self.groups, self.lr = groups, check_positive(lr, "go4align, lr")
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Update p and return w.

        Raises:
            ConfigError: A loss is negative.
        """
        losses = np.array(non_negative_losses(statistic, "go4align"))
        shares = self._shares.grow(statistic.names, np.exp(self.lr * (losses.min() - losses)))
        parts = np.array(inverses(losses.tolist()))
        # Σ L is finite, but its product with 1 / L may leave the range of float32.
        risks = np.minimum(shares * losses.sum() * parts, LARGEST_WEIGHT)
        weights = np.zeros(len(losses))
        kept = parts > 0.0
        if kept.any():
            weights[kept] = group_means(risks[kept], self.groups)
        return Weights(torch.from_numpy(weights), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Return p of every task."""
        return {"shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])
