"""Independent component alignment."""

from __future__ import annotations

from typing import Literal, final, get_args

import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.task_preferences import TaskPreferences, preference_vector, validate_preferences
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import symmetric_root
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

ScaleMode = Literal["min", "median", "rmse"]


@final
class AlignedMTL(Balancer):
    """Sum of the gradients after their principal components have been scaled to equal length (Senushkin et al., CVPR 2023, eq. 10).

    With the spectrum G = V Λ Vᵀ, without eigenvalues that are 0 up to round-off:

        w = √s V Λ^(−½) Vᵀ p,    d = Jᵀ w

    Jᵀ √s V Λ^(−½) Vᵀ is the matrix with orthogonal columns of length √s that is nearest to a multiple of Jᵀ. s is the smallest
    eigenvalue (`min`, as in the paper), the median of the eigenvalues (`median`), or their mean (`rmse`).

    Scale: as in the paper, that of the weighted sum with weights p_t. A zero row gets no weight. Heads get the plain gradient of
    their task.

    Defaults: `min`, as in the paper; p_t = 1, so that orthogonal gradients of equal length give their plain sum.

    Deviations: none.

    Fails: when an eigenvalue reaches 0, the next larger one becomes the smallest and d jumps. With `min`, nearly parallel
    gradients give a direction as short as their difference.

    Args:
        scale_mode: Common length of the components: `min`, `median` or `rmse`.
        preference: Preference p_t per task, above 0; 1 for tasks that are not listed. `None` means 1 for all tasks.

    Raises:
        ConfigError: The mode is unknown, or a preference is not above 0.

    Example:
        >>> AlignedMTL().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])) / 2
        tensor([0.2133, 0.9673, 0.9673])
    """

    def __init__(self, scale_mode: ScaleMode = "min", preference: TaskPreferences | None = None) -> None:
        if scale_mode not in get_args(ScaleMode):
            remedy = f"Choose from: {', '.join(get_args(ScaleMode))}"
            raise ConfigError("unknown scale mode", where="aligned-mtl, scale_mode", found=scale_mode, remedy=remedy)
        self.scale_mode, self.preference = scale_mode, validate_preferences(preference, "aligned-mtl")

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return w = √s V Λ^(−½) Vᵀ p."""
        root = symmetric_root(statistic.gramian().numpy(), self.scale_mode, statistic.round_off)
        return Weights(torch.from_numpy(root @ preference_vector(self.preference, statistic.names)), heads=False)
