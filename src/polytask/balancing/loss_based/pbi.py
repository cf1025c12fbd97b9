"""Penalty-based boundary intersection."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_finite, check_non_negative
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic

_ON_THE_RAY = 1e-12  # distance from the ray that counts as 0 up to round-off, relative to ‖e‖


@final
class PBI(Balancer):
    """Penalty-based boundary intersection (Zhang & Li, IEEE Transactions on Evolutionary Computation 11(6), 2007, section III).

    With a reference z (the ideal losses), u = p / ‖p‖ the direction of the preferences p, and e = L − z,

        d₁ = e · u,    d₂ = ‖e − d₁ u‖,    loss = √T (d₁ + θ d₂),    so    w = √T (u + θ (e − d₁ u) / d₂)

    d₁ is the distance to go along the ray through p, d₂ the distance from it. Weights of tasks that lie below the ray may be negative:
    they have to wait for the others. Heads are weighted too.

    Scale: the paper's loss is multiplied by √T, so that T tasks with equal losses and preferences give their plain sum.

    Defaults: θ = 5 (paper), z = 0. If the balancer is built by name, preferences are the weights of the tasks.

    Deviations: the scale. On the ray, where d₂ has no slope, w = √T u.

    Fails: d₂ is not smooth, so that the weights jump when the losses cross the ray.

    Args:
        theta: Strength θ of the penalty on the distance from the ray, at least 0.
        preference: Preference p_t per task, above 0; 1 for tasks that are not listed. `None` means 1 for all tasks.
        reference: Reference z_t per task; 0 for tasks that are not listed. `None` means 0 for all tasks.

    Raises:
        ConfigError: θ is negative, a preference is not above 0, or a number is not finite.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> PBI(theta=0.5).weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([1.0, 3.0]))).values
        tensor([0.5000, 1.5000], dtype=torch.float64)
    """

    def __init__(self, theta: float = 5.0, preference: TaskPreferences | None = None, reference: Mapping[str, float] | None = None) -> None:
        self.theta, self.preference = check_non_negative(theta, "pbi, theta"), validate_preferences(preference, "pbi")
        for task, value in (reference or {}).items():
            check_finite(value, f"pbi, reference of task {task!r}")
        self.reference = dict(reference or {})

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the weights of the tasks as `preference`."""
        return {"preference": dict(task_weights)}

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the slopes of √T (d₁ + θ d₂)."""
        names = statistic.names
        u = preference_vector(self.preference, names)
        u = u / np.linalg.norm(u)
        e = statistic.losses.numpy() - np.array([self.reference.get(name, 0.0) for name in names])
        size = float(np.abs(e).max())
        e = e / size if size > 0.0 else e
        across = e - float(e @ u) * u
        distance = float(np.linalg.norm(across))
        weights = u + self.theta / distance * across if distance > _ON_THE_RAY else u
        return Weights(torch.from_numpy(sqrt(len(names)) * weights), heads=True)
