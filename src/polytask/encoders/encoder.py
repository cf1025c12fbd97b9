"""What every encoder has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from polytask.registry import Component

_NOTHING = nn.Identity()


@runtime_checkable
class SupportsAdapt(Protocol):
    """A part of a network that is told the training rows once, before the first step: quantiles, which categories there are."""

    def adapt(self, inputs: Tensor) -> None:
        """The training rows (N, ...) as the network will see them. What is learned is kept in buffers."""


class Encoder(Component, nn.Module, ABC):
    """Turns inputs into features: a stem, if inputs are no vectors or images yet, and a body that goes on from there.

    Attributes:
        input_shape: The shape of one input.
        features: The width of the features.
        tokens: Whether features are (N, 1 + L, features), a summary of the row and then each of its L tokens, and not (N, features).
    """

    component_group = "encoder"
    component_context = ("input_shape",)
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

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """What has a learning rate of its own where rates decay with depth; a module inside an earlier piece is a piece by itself."""
        has_stem = any(True for _ in self.stem.parameters())
        return (self.stem, *self.body) if has_stem else self.stages

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


def layer_groups_from_blocks(whole: nn.Module, blocks: Sequence[nn.Module]) -> tuple[nn.Module, ...]:
    """A stack of blocks in pieces: what comes before them, every block, and with the last one what comes after them.

    Example:
        >>> stack = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.LayerNorm(3))
        >>> [sum(1 for _ in piece.modules()) for piece in layer_groups_from_blocks(stack, stack[1:3])[1:]]
        [1, 3]
    """
    inside = {id(module) for block in blocks for module in block.modules()}
    modules = list(whole.modules())
    last = max(place for place, module in enumerate(modules) if id(module) in inside)
    return (whole, *blocks[:-1], nn.ModuleList([blocks[-1], *modules[last + 1 :]]))
