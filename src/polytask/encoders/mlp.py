"""Encoder with fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from torch import nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError


@final
class MLP(Encoder):
    """Encoder of vectors with fully connected layers, each followed by ReLU.

    Args:
        input_shape: Shape (features,) of one input.
        hidden: Widths of the layers, each at least 1; the last one is the width of the features.

    Raises:
        ConfigError: Inputs are not vectors, there is no layer, or a width is below 1.

    Example:
        >>> MLP((8,), hidden=(32, 16)).features
        16
    """

    def __init__(self, input_shape: tuple[int, ...], hidden: Sequence[int] = (128, 64)) -> None:
        super().__init__()
        if len(input_shape) != 1 or input_shape[0] < 1:
            raise ConfigError(
                "inputs must be vectors of at least one feature", where="encoder 'mlp'", found=f"inputs of shape {tuple(input_shape)}"
            )
        if not hidden or min(hidden) < 1:
            raise ConfigError("`hidden` must have at least one width, and widths of at least 1", where="encoder 'mlp'", found=tuple(hidden))
        self.input_shape = tuple(input_shape)
        widths = (*input_shape, *hidden)
        layers = (nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths))
        self.layers = nn.Sequential(*layers)
        self.features = widths[-1]

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Fully connected layers, one stage per layer."""
        return tuple(self.layers)
