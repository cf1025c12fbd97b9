"""Smooth Tchebycheff scalarization with preferences and a reference point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_finite, check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, validate_preferences
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError


@final
class SmoothTchebycheff(Balancer):
    """Smooth maximum of the weighted distances to a reference point (Lin et al., ICML 2024, the definition of STCH).

    With preferences λ_t > 0, Σ λ_t = 1 over the tasks present, and a reference point z (the ideal losses),

        L = μ log Σ exp(λ_t (L_t − z_t) / μ),    so    w_t = T² λ_t softmax(λ (L − z) / μ)_t

    As μ approaches 0, L becomes max λ_t (L_t − z_t), whose minimum is the Pareto point on the ray defined by λ: unlike
    weighted sums, it reaches every part of a non-convex front. Heads are weighted too. `STCH` is the variant with which the
    authors train networks.

    Scale: in the paper both λ and the softmax sum to 1; d is multiplied by T for each of them, so that T tasks with equal
    losses and preferences give their plain sum.

    Defaults: equal preferences, z = 0; μ = 1 as in the authors' multi-task code. If the balancer is built by name, the
    preferences are the weights of the tasks.

    Deviations: the scale.

    Fails: μ is in the units of the losses: if these are much larger than μ, only the worst task is trained; if they are much
    smaller, the method is a weighted sum.

    Args:
        mu: Smoothing μ, above 0. The smaller it is, the closer L is to the maximum.
        preference: Preference λ_t per task, above 0; only the proportions matter. `None` means equal preferences.
        reference: Reference z_t per task; 0 for tasks that are not listed. `None` means 0 for all tasks.

    Raises:
        ConfigError: μ or a preference is not above 0, or a number is not finite.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> SmoothTchebycheff().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([3.0, 3.0]))).values
        tensor([1., 1.], dtype=torch.float64)
    """

    def __init__(self, mu: float = 1.0, preference: TaskPreferences | None = None, reference: Mapping[str, float] | None = None) -> None:
        check_positive(mu, "smooth-tchebycheff, mu")
        for task, value in (reference or {}).items():
            check_finite(value, f"smooth-tchebycheff, reference of task {task!r}")
        self.mu = mu
        self.preference = None if preference is None else validate_preferences(preference, "smooth-tchebycheff")
        self.reference = dict(reference or {})

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the weights of the tasks as `preference`."""
        return {"preference": dict(task_weights)}

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w_t = T² λ_t softmax(λ (L − z) / μ)_t.

        Raises:
            ConfigError: A task has no preference, although others have one.
        """
        preferences = [self._preference(task) for task in statistic.names]
        total, count = sum(preferences), len(preferences)
        shares = [preference / total for preference in preferences]
        above = [loss - self.reference.get(task, 0.0) for task, loss in zip(statistic.names, statistic.losses.tolist(), strict=True)]
        parts = softmax([share * value / self.mu for share, value in zip(shares, above, strict=True)])
        weights = [count**2 * share * part for share, part in zip(shares, parts, strict=True)]
        return Weights(torch.tensor(weights, dtype=torch.float64), heads=True)

    def _preference(self, task: str) -> float:
        if self.preference is None:
            return 1.0
        if task not in self.preference:
            found = f"preferences for {', '.join(self.preference)}"
            raise ConfigError("every task needs a preference", where=f"task {task!r}", found=found)
        return self.preference[task]
