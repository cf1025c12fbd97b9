"""What a step on one task does for the loss of another."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.relatedness.step_snapshot import StepSnapshot


def lookahead_affinity(glance: StepSnapshot) -> Tensor:
    """(t, t) float64 the look-ahead affinity of the row's task onto the column's (Fifty et al., NeurIPS 2021, section 3.1, eq. 2):

        Z_ij = 1 − L_j(θ_s − η g_i) / L_j(θ_s)

    where θ_s are the shared parameters, g_i task i's gradient of them, η the learning rate at this step; heads stay as they are, and both
    losses are of the same rows. Above 0 the step on i lowers j's loss; to first order Z_ij ≈ η g_i · g_j / L_j. NaN where L_j is 0.

    The step is a plain one: without momentum, weight decay, or what else the optimizer does. The authors' program divides by η, which
    changes no comparison while the learning rate stays; this does not.
    """
    before = torch.where(glance.losses > 0, glance.losses, torch.nan)
    after = [glance.losses_at(glance.sgd_step(task)) for task in range(len(glance.names))]
    return 1.0 - torch.stack(after) / before if after else before.new_zeros(0, 0)
