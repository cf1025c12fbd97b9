"""Conflict-free inverse gradients."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import cancels, negligible, pseudo_inverse_times, unit_rows
from polytask.balancing.statistic import Statistic


@final
class ConFIG(Balancer):
    """Direction with equal cosines to all gradients (Liu, Chu & Thuerey, ICLR 2025, eq. 2 and 3).

    Its length is the sum of the gradients' projections on it. With unit rows U = D⁻¹ J:

        x = U⁺ p,    d = (Σ_t g_t · x / ‖x‖) x / ‖x‖

    Since U⁺ p = Uᵀ (U Uᵀ)⁺ p, the Gramian suffices: with y = (D⁻¹ G D⁻¹)⁺ p and c = D⁻¹ y, the weights are
    c (1ᵀ G c) / (cᵀ G c). d opposes no task if the unit rows are linearly independent.

    Scale: as in the paper, a sum. A zero row gets no weight. For directly opposed gradients no such direction exists: d = 0,
    marked as unsolved. Heads get the plain gradient of their task.

    Defaults: p_t = 1 for all tasks, so that all cosines are equal.

    Deviations: none.

    Fails: with more tasks than linearly independent gradients, the cosines are equal only in the least-squares sense.

    Args:
        preference: Preference p_t per task, above 0, to which its cosine is proportional; 1 for tasks that are not listed.
            `None` means 1 for all tasks.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> ConFIG().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.1588, 2.0706, 2.0706])
    """

    def __init__(self, preference: TaskPreferences | None = None) -> None:
        self.preference = validate_preferences(preference, "conflict-free")

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = c (1ᵀ G c) / (cᵀ G c)."""
        weights = equal_cosines(statistic.gramian().numpy(), preference_vector(self.preference, statistic.names), statistic.round_off)
        if weights is None:
            return Weights(torch.zeros(len(statistic.names), dtype=torch.float64), heads=False, solved=False)
        return Weights(torch.from_numpy(weights), heads=False)


def equal_cosines(G: np.ndarray, preference: np.ndarray, round_off: float) -> np.ndarray | None:
    """Return the weights of the rows: (T,), or `None` if no direction has cosines proportional to the preferences."""
    cosines, lengths = unit_rows(G)
    if not lengths.any():
        return np.zeros(len(G))
    y = pseudo_inverse_times(cosines, np.where(lengths > 0.0, preference, 0.0), round_off)
    # ‖x‖², which vanishes where the unit rows oppose each other. Directly opposed rows leave nothing of y either.
    square = float(y @ cosines @ y)
    if cancels(y, cosines, round_off) or square <= negligible(len(G), round_off) * float(preference.max()) ** 2:
        return None
    weights: np.ndarray = np.zeros(len(G))
    np.divide(y * (float((lengths * (cosines @ y)).sum()) / square), lengths, out=weights, where=lengths > 0.0)
    return weights
