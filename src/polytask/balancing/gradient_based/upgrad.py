"""Unconflicting projection of gradients."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import project_on_dual_cone
from polytask.balancing.statistic import Statistic


@final
class UPGrad(Balancer):
    """Sum of the gradients, each projected onto the directions that oppose no task (Quinton & Rey, arXiv 2406.16232, eq. 6).

    With the dual cone C = {x: J x ≥ 0}:

        d = Σ_t Π_C(p_t g_t),    Π_C(Jᵀ u) = Jᵀ v with v = argmin vᵀ G v over v ≥ u

    d opposes no task, and is linear under scaling of each gradient; without conflict it is the plain sum. With two tasks it is
    PCGrad. The T quadratic problems share one Gramian and are solved together, exactly and without a regularizer.

    Scale: the paper uses the mean of the projections; here it is their sum (p_t = 1). A zero row opposes no task, and its
    projection is 0. Heads get the plain gradient of their task.

    Defaults: p_t = 1 for all tasks.

    Deviations: none (the authors' code adds 1e-4 I to the Gramian, and does not handle gradients shorter than 0.01).

    Fails: if strongly opposed gradients make C narrow, d is short: opposed tasks necessarily stop each other.

    Args:
        preference: Preference p_t per task, above 0; 1 for tasks that are not listed. `None` means 1 for all tasks.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> UPGrad().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])) / 2
        tensor([0.2924, 1.9006, 1.9006])
    """

    def __init__(self, preference: TaskPreferences | None = None) -> None:
        self.preference = validate_preferences(preference, "upgrad")

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the sum of the v of all tasks."""
        bounds = np.diag(preference_vector(self.preference, statistic.names))
        return Weights(torch.from_numpy(project_on_dual_cone(statistic.gramian().numpy(), bounds).sum(0)), heads=False)
