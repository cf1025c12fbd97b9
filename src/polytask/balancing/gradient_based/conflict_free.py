"""Conflict-free inverse gradients."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import pseudo_inverse_times
from polytask.balancing.statistic import Statistic


@final
class ConFIG(Balancer):
    """The direction with the same cosine to all gradients, as long as their projections on it together (Liu, Chu & Thuerey,
    ICLR 2025, eq. 2 and 3).

    With unit rows U = D⁻¹ J:

        x = U⁺ p,    d = (Σ_t g_t · x / ‖x‖) x / ‖x‖

    Since U⁺ p = Uᵀ (U Uᵀ)⁺ p, the Gramian is enough: with y = (D⁻¹ G D⁻¹)⁺ p and c = D⁻¹ y, the weights are
    c (1ᵀ G c) / (cᵀ G c). d opposes no task where the unit rows are linearly independent.

    Scale: the paper's own, a sum. A zero row gets no weight. Gradients that oppose each other leave no such direction: d = 0,
    marked as unsolved. Heads get the plain gradient of their own task.

    Defaults: p_t = 1 for all tasks, the same cosine for all.

    Deviations: none.

    Fails: more tasks than independent gradients: the cosines are then equal only in the sense of least squares.

    Args:
        preference: p_t per task, to which the cosines are proportional; 1 for tasks that are not in it.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> ConFIG().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.1588, 2.0706, 2.0706])
    """

    def __init__(self, preference: TaskPreferences | None = None) -> None:
        self.preference = validate_preferences(preference, "conflict-free")

    def needs(self) -> Needs:
        """The Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """c (1ᵀ G c) / (cᵀ G c)."""
        weights = equal_cosines(statistic.gramian().numpy(), preference_vector(self.preference, statistic.names))
        if weights is None:
            return Weights(torch.zeros(len(statistic.names), dtype=torch.float64), heads=False, solved=False)
        return Weights(torch.from_numpy(weights), heads=False)


def equal_cosines(G: np.ndarray, preference: np.ndarray) -> np.ndarray | None:
    """(T,) the weights of the rows; None where no direction has these cosines."""
    lengths = np.sqrt(G.diagonal())
    inverse = np.where(lengths > 0.0, 1.0 / np.where(lengths > 0.0, lengths, 1.0), 0.0)
    if not inverse.any():
        return np.zeros(len(G))
    cosines = G * inverse[:, None] * inverse
    y = pseudo_inverse_times(cosines, np.where(inverse > 0.0, preference, 0.0))
    square = float(y @ cosines @ y)
    if square <= 1e-20 * float(preference.max()) ** 2:
        return None
    weights: np.ndarray = inverse * y * (float((lengths * (cosines @ y)).sum()) / square)
    return weights
