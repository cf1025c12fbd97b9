"""The projection of the mean gradient on the directions that oppose no task."""

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
    """The direction that opposes no task and is nearest to the sum of the gradients (Lopez-Paz & Ranzato, NeurIPS 2017, eq. 8 to 11).

        d = Π_C(Jᵀ p) = Jᵀ v,    v = argmin vᵀ G v over v ≥ p,    C = {x: J x ≥ 0}

    It is the projection of gradient episodic memory, with the mean of all tasks in place of the present one. Without conflict
    it is the plain sum. Exact, without a regulariser.

    Scale: that of the sum, with p_t = 1. A zero row opposes nobody. Heads get the plain gradient of their own task.

    Defaults: p_t = 1 for all tasks.

    Deviations: the paper projects the gradient of the present task under the constraints of the earlier ones.

    Fails: long gradients rule the sum that is projected; UPGrad projects each gradient on its own.

    Args:
        preference: p_t per task; 1 for tasks that are not in it.

    Raises:
        ConfigError: A preference is not above 0.

    Example:
        >>> DualProj().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])) / 2
        tensor([0.5556, 1.1111, 1.1111])
    """

    def __init__(self, preference: TaskPreferences | None = None) -> None:
        self.preference = validate_preferences(preference, "dual-proj")

    def needs(self) -> Needs:
        """The Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """v."""
        bounds = preference_vector(self.preference, statistic.names)[None]
        return Weights(torch.from_numpy(project_on_dual_cone(statistic.gramian().numpy(), bounds)[0]), heads=False)
