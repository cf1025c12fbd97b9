"""Hard sharing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from polytask.architectures.architecture import Architecture
from polytask.encoders import Encoder


@final
class HardSharing(Architecture):
    """One encoder for all tasks; everything before the heads is shared (Caruana, Machine Learning 28:41, 1997).

    z = f(x; θ), and task t's outputs are h_t(z; φ_t): the encoder's θ is reached by every task, φ_t by one.

    Args:
        encoder: f.
        tasks: The names of the tasks.

    Example:
        >>> import torch
        >>> from polytask.encoders import MLP
        >>> sharing = HardSharing(MLP((4,), hidden=(8,)), ("a", "b"))
        >>> features = sharing(torch.zeros(2, 4), ("a", "b"))
        >>> features["a"] is features["b"], features["a"].shape
        (True, torch.Size([2, 8]))
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)

    def width(self, task: str) -> int:
        """The encoder's features."""
        del task
        return self.encoder.features

    def tasks_of(self, parameter: str) -> tuple[str, ...]:
        """All of them."""
        del parameter
        return self.tasks

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """The same features for every task."""
        features = self.encoder(inputs)
        return dict.fromkeys(tasks, features)
