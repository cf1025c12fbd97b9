"""LeNet of the multi-task literature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError


@final
class LeNet(Encoder):
    """LeNet: two 5×5 convolutions with 10 and 20 channels, each with pooling, then 50 units, with ReLU after each.

    This is the trunk of Multi-MNIST experiments since Sener & Koltun (NeurIPS 2018): with two heads of one hidden layer of 50 units and
    10 classes on images of 28×28, it has 27,450 parameters.

    Args:
        input_shape: Shape (channels, height, width) of one image, at least 16×16.
        features: Number of units of the last layer.
        channels: Numbers of channels of the two convolutions.

    Raises:
        ConfigError: The shape is not that of an image, the image is too small, or a number of units or channels is invalid.

    Example:
        >>> sum(parameter.numel() for parameter in LeNet((1, 28, 28)).parameters())
        21330
    """

    def __init__(self, input_shape: tuple[int, ...] = (1, 28, 28), features: int = 50, channels: Sequence[int] = (10, 20)) -> None:
        super().__init__()
        if len(input_shape) != 3 or min(input_shape[1:]) < 16 or input_shape[0] < 1:
            found = tuple(input_shape)
            raise ConfigError("inputs must be images of at least 16x16, (channels, height, width)", where="encoder 'lenet'", found=found)
        if features < 1 or len(channels) != 2 or min(channels) < 1:
            sizes = f"features={features}, channels={tuple(channels)}"
            raise ConfigError(
                "`features` must be at least 1, and `channels` two numbers of at least 1", where="encoder 'lenet'", found=sizes
            )
        colors, height, width = input_shape
        self.input_shape, self.features, (first, second) = (colors, height, width), features, channels
        self.first = nn.Sequential(nn.Conv2d(colors, first, kernel_size=5), nn.MaxPool2d(2), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(first, second, kernel_size=5), nn.MaxPool2d(2), nn.ReLU())
        self.third = nn.Sequential(
            nn.Flatten(), nn.Linear(second * _side_after_pooling(height) * _side_after_pooling(width), features), nn.ReLU()
        )

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Two convolutional stages, then a fully connected one."""
        return (self.first, self.second, self.third)


def _side_after_pooling(side: int) -> int:
    """Return the length of an image's side after two rounds of 5×5 convolution and pooling."""
    return ((side - 4) // 2 - 4) // 2
