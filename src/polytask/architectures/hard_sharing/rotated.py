"""Hard sharing with a rotation of the features per task."""

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
    """Hard sharing, and every task sees R_t z in place of z (Javaloy & Valera, ICLR 2022).

    The rotations are turned by the balancer `rotograd`; without it they stay at the identity, and this is hard sharing.

    Args:
        encoder: Gives z.
        tasks: The names of the tasks.
        size: How many features are turned: the first 64 by default, or all if there are fewer (the paper turns a part of
            wide representations too: exponentials of matrices grow with the third power).

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
        """The encoder's features."""
        return self.hard.width(task)

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """R_t z for every task."""
        return {task: self.rotations(task, features) for task, features in self.hard(inputs, tasks).items()}
