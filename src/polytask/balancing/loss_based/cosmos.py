"""Weighted sum of the losses, with a reward for losses in the preferred proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_non_negative
from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Losses, Needs
from polytask.balancing.statistic import Statistic


@final
class COSMOS(Balancer):
    """Weighted sum with a penalty on the angle between losses and preferences (Ruchte & Grabocka, ICDM 2021, eq. 5).

    With preferences r_t,

        loss = r · L − λ cos(r, L),    so    w = r − λ (r / (‖r‖ ‖L‖) − cos(r, L) L / ‖L‖²)

    λ = 0 is the weighted sum; the larger λ is, the more the losses are drawn to the ray through r. Weights of tasks whose losses are
    small for their preferences may be negative. Heads are weighted too.

    Scale: that of the preferences, which are used as given. Losses on the ray, such as equal ones with equal preferences, have w = r.

    Defaults: λ = 1 (ours; the paper uses values from 0.01 to 8). If the balancer is built by name, preferences are the weights of the
    tasks.

    Deviations: the network does not get r as an input; it is trained for one r.

    Fails: as all losses approach 0, the slope of the cosine grows without bound; it is 0 where ‖L‖ is below 1e-30.

    Args:
        lambda_: Strength λ of the penalty on the angle, at least 0.
        preference: Preference r_t per task, above 0; 1 for tasks that are not listed. `None` means 1 for all tasks.

    Raises:
        ConfigError: λ is negative, or a preference is not above 0.

    Example:
        >>> from polytask.balancing import statistic_from_jacobian
        >>> COSMOS().weigh(statistic_from_jacobian(torch.eye(2), torch.tensor([0.0, 2.0]))).values
        tensor([0.6464, 1.0000], dtype=torch.float64)
    """

    def __init__(self, lambda_: float = 1.0, preference: TaskPreferences | None = None) -> None:
        self.lambda_, self.preference = check_non_negative(lambda_, "cosmos, lambda_"), validate_preferences(preference, "cosmos")

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the weights of the tasks as `preference`."""
        return {"preference": dict(task_weights)}

    def needs(self) -> Needs:
        """Request the losses."""
        return Losses()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the slopes of r · L − λ cos(r, L)."""
        r, losses = preference_vector(self.preference, statistic.names), statistic.losses.numpy()
        size = float(np.abs(losses).max())
        length = size * float(np.linalg.norm(losses / size)) if size > 0.0 else 0.0
        if length * LARGEST_WEIGHT < 1.0:
            return Weights(torch.from_numpy(r), heads=True)
        ray, unit = r / np.linalg.norm(r), losses / length
        return Weights(torch.from_numpy(r - self.lambda_ / length * (ray - float(ray @ unit) * unit)), heads=True)
