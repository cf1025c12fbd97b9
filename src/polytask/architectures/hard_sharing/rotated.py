"""Hard sharing with one rotation of the features per task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from polytask.architectures.architecture import Architecture
from polytask.architectures.hard_sharing.hard import HardSharing
from polytask.balancing.building_blocks.feature_rotations import FeatureRotations
from polytask.encoders import Encoder

_MAX_ROTATED_FEATURES = 64


@final
class RotatedSharing(Architecture):
    """Hard sharing in which the head of task t takes R_t z instead of z (Javaloy & Valera, ICLR 2022).

    The rotations are trained by the balancer `rotograd`; without it they stay at the identity, and this is hard sharing.

    Args:
        encoder: Encoder that gives z.
        tasks: Names of the tasks.
        size: Number of features that are rotated; `None` rotates the first 64, or all if there are fewer. The paper also rotates only a
            part of wide representations, because the cost of matrix exponentials grows with the third power of the size.

    Example:
        >>> import torch
        >>> from polytask.encoders import MLP
        >>> sharing = RotatedSharing(MLP((4,), hidden=(8,)), ("a", "b"))
        >>> features = sharing(torch.zeros(2, 4), ("a", "b"))
        >>> features["a"].shape, torch.equal(features["a"], features["b"])
        (torch.Size([2, 8]), True)
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], size: int | None = None) -> None:
        super().__init__(tasks, encoder)
        self.hard = HardSharing(encoder, tasks)
        self.rotations = FeatureRotations(tasks, min(size or _MAX_ROTATED_FEATURES, encoder.features))

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.hard.width(task)

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute R_t z for each task."""
        return {task: self.rotations(task, features) for task, features in self.hard(inputs, tasks).items()}
