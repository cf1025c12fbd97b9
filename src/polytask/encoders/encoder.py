"""What every encoder has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

_NOTHING = nn.Identity()


@runtime_checkable
class LearnsFromInputs(Protocol):
    """A part of a network that is told the training rows once, before the first step: quantiles, which categories there are."""

    def learn_inputs(self, inputs: Tensor) -> None:
        """The training rows (N, ...) as the network will see them. What is learned is kept in buffers."""


class Encoder(nn.Module, ABC):
    """Turns inputs into features: a stem, if inputs are no vectors or images yet, and a body that goes on from there.

    Attributes:
        input_shape: The shape of one input.
        features: The width of the features.
        tokens: Whether features are (N, 1 + L, features), a summary of the row and then each of its L tokens, and not (N, features).
    """

    input_shape: tuple[int, ...]
    features: int
    tokens: ClassVar[bool] = False

    @property
    @abstractmethod
    def stages(self) -> tuple[nn.Module, ...]:
        """The encoder in pieces, first to last: for architectures that share or mix between layers."""

    @property
    def stem(self) -> nn.Module:
        """What turns codes of words or categories into vectors: experts share it. By default nothing."""
        return _NOTHING

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """What comes after the stem, in pieces: of this, experts are copies."""
        return self.stages

    @staticmethod
    def summary(stemmed: Tensor) -> Tensor:
        """What gates look at: (N, width), from what the stem gives."""
        return stemmed.flatten(1)

    def example(self, rows: int) -> Tensor:
        """Inputs (rows, *input_shape) such as it takes, all alike."""
        return torch.zeros(rows, *self.input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, *input_shape) -> features (N, features), or (N, 1 + L, features) with tokens."""
        values = inputs
        for stage in self.stages:
            values = stage(values)
        return values
