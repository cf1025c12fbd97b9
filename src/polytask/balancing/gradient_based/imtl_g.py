"""Gradient balance of impartial multi-task learning."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import pseudo_inverse_times, unit_rows
from polytask.balancing.statistic import Statistic


@final
class IMTLG(Balancer):
    """Update with equal projections on the unit gradients of all tasks (Liu et al., ICLR 2021, section 3.1, eq. 6).

    With u_t = g_t / ‖g_t‖, the weights w with Σ w_t = 1 are those for which dᵀ u_t is the same for every task.
    In terms of the Gramian G, with D = diag(‖g_1‖, …, ‖g_T‖):

        v = D⁻¹ (D⁻¹ G D⁻¹)⁺ 1,    w = v / Σ v_t,    d = T Jᵀ w

    Scale: the paper's weights sum to 1; they are multiplied by T, so that T equal gradients give their plain sum.
    A zero row gets no weight. Heads get the plain gradient of their task.

    Deviations: the pseudo-inverse of the matrix of cosines replaces the paper's (T−1)×(T−1) inverse, which does not exist when two
    tasks are parallel; where both exist, they agree. Weights may be negative, as in the paper.

    Defaults: the method has no options.

    Fails: the sum Σ v_t passes through 0 where tasks nearly oppose each other, and the weights grow without bound near it; at 0
    no such update exists and d = 0.

    Example:
        >>> IMTLG().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], dtype=torch.float64)) / 2
        tensor([0.0767, 1.0000, 1.0000], dtype=torch.float64)
    """

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = T v / Σ v_t."""
        weights = equal_projections(statistic.gramian().numpy(), statistic.round_off)
        if weights is None:
            return Weights(torch.zeros(len(statistic.names), dtype=torch.float64), heads=False, solved=False)
        return Weights(torch.from_numpy(weights), heads=False)


def equal_projections(G: np.ndarray, round_off: float) -> np.ndarray | None:
    """Return the weights of rows with this Gramian: (T,), with sum T, or `None` if no such combination exists."""
    # Invert cosines, not G itself, so that long rows do not hide short ones.
    cosines, lengths = unit_rows(G)
    if not lengths.any():
        return np.zeros(len(G))
    found = pseudo_inverse_times(cosines, np.sign(lengths), round_off)
    weights: np.ndarray = np.divide(found, lengths / lengths.max(), out=np.zeros(len(G)), where=lengths > 0.0)
    total = float(weights.sum())
    if abs(total) <= 1e-12 * float(np.abs(weights).sum()):
        return None
    return weights * (len(G) / total)
