"""Weights that grow with the losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.building_blocks.simplex_state import TaskShares
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class GroupDRO(Balancer):
    """Distributionally robust optimization over groups, here the tasks (Sagawa et al., ICLR 2020, algorithm 1).

    The largest weighted sum of the losses, max over q of Σ q_t L_t, is at the worst task. Exponentiated ascent follows it:

        q_t ← q_t exp(η L_t) / Σ_s q_s exp(η L_s),    w = T q

    Heads are weighted too. Losses may have any sign.

    Scale: the paper's weights sum to 1; they are multiplied by T. Adding a constant to all losses changes nothing.

    Defaults: η = 0.01 (the authors' code); q starts uniform.

    Deviations: none.

    Fails: losses in different units: the task with the largest numbers gets all the weight, and a weight that has become 0 stays 0.

    Args:
        lr: Step size η, above 0.

    Raises:
        ConfigError: η is not above 0.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> GroupDRO(lr=1.0).weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([2.0, 1.0]))).values
        tensor([1.4621, 0.5379], dtype=torch.float64)
    """

    def __init__(self, lr: float = 0.01) -> None:
        self.lr = check_positive(lr, "groupdro, lr")
        self._shares = TaskShares()

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Update q and return T q."""
        losses = statistic.losses.numpy()
        shares = self._shares.grow(statistic.names, np.exp(self.lr * (losses - losses.max())))
        return Weights(torch.from_numpy(shares * len(shares)), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Return q of every task."""
        return {"shares": self._shares.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._shares.load_state_dict(state["shares"])
