"""Cosines between the tasks' gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.gradients.primitives.gramian import cosine_matrix, gramian
from polytask.relatedness.lookahead_losses import StepSnapshot


def gradient_cosines(glance: StepSnapshot) -> Tensor:
    """Return the cosines between the tasks' gradients of the shared parameters, (t, t) float64.

        cos(g_i, g_j) = g_i · g_j / (‖g_i‖ ‖g_j‖)

    NaN where a gradient is zero. Below 0, the tasks conflict in this step (Yu et al., NeurIPS 2020, definition 1).
    """
    return pairwise_cosines(glance.gradients)


def pairwise_cosines(gradients: Tensor) -> Tensor:
    """Return the cosines between rows (t, P), (t, t) float64: exactly symmetric, with a diagonal of exactly 1.

    Example:
        >>> pairwise_cosines(torch.tensor([[3.0, 4.0], [0.0, -2.0]])).round(decimals=2).tolist()
        [[1.0, -0.8], [-0.8, 1.0]]
    """
    return cosine_matrix(gramian(gradients), where_zero=torch.nan)
