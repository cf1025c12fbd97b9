"""Look-ahead affinity: the effect of a step on one task on the loss of another."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.relatedness.lookahead_losses import StepSnapshot


def lookahead_affinity(glance: StepSnapshot) -> Tensor:
    """Return the look-ahead affinity of the row's task onto the column's, (t, t) float64 (Fifty et al., NeurIPS 2021, section 3.1, eq. 2).

        Z_ij = 1 − L_j(θ_s − η g_i) / L_j(θ_s)

    where θ_s are the shared parameters, g_i is the gradient of task i, and η is the learning rate at this step; the heads are unchanged,
    and both losses are of the same rows. Above 0, the step on i lowers the loss of j; to first order Z_ij ≈ η g_i · g_j / L_j. NaN where
    L_j is 0.

    The step is plain gradient descent, without momentum, weight decay or other features of the optimizer. The authors' code divides by η,
    which does not change comparisons while the learning rate is constant; this function does not divide.
    """
    before = torch.where(glance.losses > 0, glance.losses, torch.nan)
    after = [glance.losses_at(glance.sgd_step(task)) for task in range(len(glance.names))]
    return 1.0 - torch.stack(after) / before if after else before.new_zeros(0, 0)
