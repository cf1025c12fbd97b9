"""Convolutional trunk of the reference network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError


@final
class Conv(Encoder):
    """Trunk of the reference network: two 3×3 convolutions with 32 and 64 channels, each with pooling, then flattening.

    Convolutions are not padded; each is followed by ReLU and 2×2 max-pooling. An image of 28×28 becomes 1,600 features. Pooling is
    computed before ReLU, which gives the same values, since both are monotone, and costs less: ReLU then has a quarter of the inputs.

    Args:
        input_shape: Shape (channels, height, width) of one image, at least 10×10.
        channels: Numbers of channels of the two convolutions.

    Raises:
        ConfigError: The shape is not that of an image, the image is too small, or there are not two numbers of channels.

    Example:
        >>> Conv((1, 28, 28)).features
        1600
    """

    def __init__(self, input_shape: tuple[int, ...] = (1, 28, 28), channels: Sequence[int] = (32, 64)) -> None:
        super().__init__()
        if len(input_shape) != 3 or min(input_shape[1:]) < 10 or input_shape[0] < 1:
            raise ConfigError(
                "inputs must be images of at least 10x10, (channels, height, width)", where="encoder 'conv'", found=tuple(input_shape)
            )
        if len(channels) != 2 or min(channels) < 1:
            raise ConfigError("`channels` must be two numbers of at least 1", where="encoder 'conv'", found=tuple(channels))
        colors, height, width = input_shape
        self.input_shape, (first, second) = (colors, height, width), channels
        self.first = nn.Sequential(nn.Conv2d(colors, first, kernel_size=3), nn.MaxPool2d(2), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(first, second, kernel_size=3), nn.MaxPool2d(2), nn.ReLU())
        self.flatten = nn.Flatten()
        self.features = second * _side_after_pooling(height) * _side_after_pooling(width)

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Two convolutional stages, then the flattening."""
        return (self.first, self.second, self.flatten)


def _side_after_pooling(side: int) -> int:
    """Return the length of an image's side after two rounds of 3×3 convolution and pooling."""
    return ((side - 2) // 2 - 2) // 2
