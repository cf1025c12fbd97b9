"""Stems: modules that map sources with inputs of different forms to the inputs of a common encoder."""

from __future__ import annotations

from math import prod
from typing import final

from torch import Tensor, nn

from polytask.architectures.network.task_heads import SelectSummary
from polytask.encoders import Encoder


@final
class Stem(nn.Module):
    """Encoder of a single source, followed by a linear map with ReLU to the inputs of the common encoder.

    The parameters of a stem are shared by the tasks that its source labels, and by no others.

    Args:
        encoder: Encoder of the source's inputs; of an encoder of sequences, only the summary is used.
        shape: Shape of one input of the common encoder.

    Example:
        >>> import torch
        >>> from polytask.encoders import MLP
        >>> Stem(MLP((4,), hidden=(8,)), (1, 3, 3))(torch.zeros(2, 4)).shape
        torch.Size([2, 1, 3, 3])
    """

    def __init__(self, encoder: Encoder, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.summary = SelectSummary() if encoder.tokens else nn.Identity()
        self.last = nn.Sequential(nn.Linear(encoder.features, prod(shape)), nn.ReLU(), nn.Unflatten(1, shape))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of the source."""
        return self.encoder.input_shape

    def forward(self, inputs: Tensor) -> Tensor:
        """Map the source's inputs (N, ...) to inputs `(N, *shape)` of the common encoder."""
        values: Tensor = self.last(self.summary(self.encoder(inputs)))
        return values
