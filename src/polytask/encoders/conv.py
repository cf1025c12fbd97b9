"""The reference network's trunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError


@final
class Conv(Encoder):
    """3×3 convolution with 32 channels, pool, 3×3 convolution with 64 channels, pool, flatten: the reference network's trunk.

    Convolutions are not padded; each is followed by ReLU and 2×2 max-pooling. An image of 28×28 becomes 1,600 features.
    Pooling stands before ReLU, which gives the same numbers, since both are monotone, and costs less: ReLU then sees a
    quarter of the values.

    Args:
        input_shape: (channels, height, width) of one image, at least 10×10.
        channels: Of the two convolutions.

    Raises:
        ConfigError: The shape is not that of an image, or it is too small; not two numbers of channels.

    Example:
        >>> Conv((1, 28, 28)).features
        1600
    """

    def __init__(self, input_shape: tuple[int, ...] = (1, 28, 28), channels: Sequence[int] = (32, 64)) -> None:
        super().__init__()
        if len(input_shape) != 3 or min(input_shape[1:]) < 10 or input_shape[0] < 1:
            raise ConfigError(
                "images of at least 10x10, (channels, height, width), are needed", where="encoder 'conv'", found=tuple(input_shape)
            )
        if len(channels) != 2 or min(channels) < 1:
            raise ConfigError("two numbers of channels from 1 up are needed", where="encoder 'conv', channels", found=tuple(channels))
        colors, height, width = input_shape
        self.input_shape, (first, second) = (colors, height, width), channels
        self.first = nn.Sequential(nn.Conv2d(colors, first, kernel_size=3), nn.MaxPool2d(2), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(first, second, kernel_size=3), nn.MaxPool2d(2), nn.ReLU())
        self.flatten = nn.Flatten()
        self.features = second * _side_after_pooling(height) * _side_after_pooling(width)

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Two convolutional stages and the flattening."""
        return (self.first, self.second, self.flatten)


def _side_after_pooling(side: int) -> int:
    """What two rounds of 3×3 convolution and pooling leave of an image's side."""
    return ((side - 2) // 2 - 2) // 2
