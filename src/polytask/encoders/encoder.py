"""Base class of encoders."""

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
    """Part of a network that adapts to the training rows once, before the first step, for example to their quantiles."""

    def adapt(self, inputs: Tensor) -> None:
        """Adapt to the training rows (N, ...), given in the form that the network sees; store the result in buffers."""


class Encoder(Component, nn.Module, ABC):
    """Base class for encoders, which map inputs to features.

    An encoder has a body and, if inputs are not vectors or images yet, a stem before it that maps them to vectors.

    Attributes:
        input_shape: Shape of one input.
        features: Width of the features.
        tokens: Whether features have the shape (N, 1 + L, features), a summary of the row and then its L tokens, instead of (N, features).
    """

    component_group = "encoder"
    component_context = ("input_shape",)
    input_shape: tuple[int, ...]
    features: int
    tokens: ClassVar[bool] = False

    @property
    @abstractmethod
    def stages(self) -> tuple[nn.Module, ...]:
        """Consecutive pieces of the encoder, for architectures that share or mix between layers."""

    @property
    def stem(self) -> nn.Module:
        """Module that maps codes of words or categories to vectors, shared by experts; the identity by default."""
        return _NOTHING

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """Consecutive pieces behind the stem, of which experts are copies."""
        return self.stages

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """Pieces with separate learning rates if rates decay with depth; a piece may lie inside an earlier one, and counts by itself."""
        has_stem = any(True for _ in self.stem.parameters())
        return (self.stem, *self.body) if has_stem else self.stages

    @staticmethod
    def summary(stemmed: Tensor) -> Tensor:
        """Compute the inputs of gates (N, width) from the output of the stem."""
        return stemmed.flatten(1)

    def example(self, rows: int) -> Tensor:
        """Return example inputs `(rows, *input_shape)`, with all rows equal."""
        return torch.zeros(rows, *self.input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs `(N, *input_shape)` to features (N, features), or (N, 1 + L, features) with tokens."""
        values = inputs
        for stage in self.stages:
            values = stage(values)
        return values


def layer_groups_from_blocks(whole: nn.Module, blocks: Sequence[nn.Module]) -> tuple[nn.Module, ...]:
    """Divide a stack of blocks into pieces: modules before the blocks, each block, and modules after them with the last block.

    Example:
        >>> stack = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.LayerNorm(3))
        >>> [sum(1 for _ in piece.modules()) for piece in layer_groups_from_blocks(stack, stack[1:3])[1:]]
        [1, 3]
    """
    # `whole` itself comes first: of its modules, those that lie in no later piece are the ones before the blocks.
    inside = {id(module) for block in blocks for module in block.modules()}
    modules = list(whole.modules())
    last = max(place for place, module in enumerate(modules) if id(module) in inside)
    return (whole, *blocks[:-1], nn.ModuleList([blocks[-1], *modules[last + 1 :]]))
