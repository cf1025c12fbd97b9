"""Projection of the mean gradient onto the directions that oppose no task."""

from __future__ import annotations

from typing import final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import project_on_dual_cone
from polytask.balancing.statistic import Statistic


@final
class DualProj(Balancer):
    """Direction nearest to the sum of the gradients that opposes no task (Lopez-Paz & Ranzato, NeurIPS 2017, eq. 8 to 11).

        d = Π_C(Jᵀ p) = Jᵀ v,    v = argmin vᵀ G v over v ≥ p,    C = {x: J x ≥ 0}

    This is the projection of gradient episodic memory, with the mean of all tasks in place of the current one. Without
    conflict it is the plain sum. The solution is exact, without a regularizer.

    Scale: that of the sum, with p_t = 1. A zero row opposes no task. Heads get the plain gradient of their task.

    Defaults: p_t = 1 for all tasks.

    Deviations: the paper projects the gradient of the current task under the constraints of the earlier ones.

    Fails: long gradients dominate the sum that is projected; UPGrad projects each gradient separately.

    Args:
        preference: Preference p_t per task, above 0; 1 for tasks that are not listed. `None` means 1 for all tasks.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> DualProj().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])) / 2
        tensor([0.5556, 1.1111, 1.1111])
    """

    def __init__(self, preference: TaskPreferences | None = None) -> None:
        self.preference = validate_preferences(preference, "dual-proj")

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = v."""
        bounds = preference_vector(self.preference, statistic.names)[None]
        return Weights(torch.from_numpy(project_on_dual_cone(statistic.gramian().numpy(), bounds)[0]), heads=False)
