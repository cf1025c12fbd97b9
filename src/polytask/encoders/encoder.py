"""What every encoder has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """Turns inputs into features.

    Attributes:
        input_shape: The shape of one input.
        features: The width of the features.
    """

    input_shape: tuple[int, ...]
    features: int

    @property
    @abstractmethod
    def stages(self) -> tuple[nn.Module, ...]:
        """The encoder in pieces, first to last: for architectures that share or mix between layers."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, *input_shape) -> features (N, features)."""
