"""Residual networks for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError

ResNetVariant = Literal["small", "full"]


class BasicBlock(nn.Module):
    """Basic block ReLU(x + F(x)) with two 3×3 convolutions in F; if sizes change, a 1×1 convolution is applied to x."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, inputs, height, width) to (N, outputs, …)."""
        return torch.relu(self.shortcut(inputs) + self.body(inputs))


@final
class ResNet(Encoder):
    """Residual network of basic blocks (He et al., CVPR 2016); with `variant="full"`, it is ResNet-18 without its classifier.

    The variant `small` begins with a 3×3 convolution without pooling, as the paper's networks for images of 32×32 do. From group to
    group, widths double and sides are halved; the features are the means over all positions.

    Batch normalization mixes the rows of a source in training: an update then depends on the other rows of the batch. Every source has
    its own running statistics (`MultiTaskModel.separate_buffers`).

    Args:
        input_shape: Shape (channels, height, width) of one image, at least 8×8.
        variant: First layers of the network, `small` or `full`.
        width: Number of channels of the first group; `None` means 16 for `small`, and 64 for `full` as in the paper.
        blocks: Number of blocks of each group.

    Raises:
        ConfigError: The shape is not that of an image, the image is too small, the variant is unknown, or a size is below 1.

    Example:
        >>> sum(parameter.numel() for parameter in ResNet((3, 224, 224), variant="full").parameters())  # ResNet-18
        11176512
    """

    def __init__(
        self, input_shape: tuple[int, ...], variant: ResNetVariant = "small", width: int | None = None, blocks: Sequence[int] = (2, 2, 2, 2)
    ) -> None:
        super().__init__()
        if len(input_shape) != 3 or min(input_shape[1:]) < 8 or input_shape[0] < 1:
            found = tuple(input_shape)
            raise ConfigError("inputs must be images of at least 8x8, (channels, height, width)", where="encoder 'resnet'", found=found)
        if variant not in get_args(ResNetVariant):
            raise ConfigError("unknown variant", where="encoder 'resnet', variant", found=variant, remedy="Choose from: small, full")
        width = {"small": 16, "full": 64}[variant] if width is None else width
        if width < 1 or not blocks or min(blocks) < 1:
            raise ConfigError("sizes must be at least 1", where="encoder 'resnet'", found=f"width={width}, blocks={tuple(blocks)}")
        self.input_shape = tuple(input_shape)
        self.first = _stem(input_shape[0], width, variant)
        self.groups, channels = nn.ModuleList(), width
        for number, count in enumerate(blocks):
            wider = width * 2**number
            steps = [2 if number and not place else 1 for place in range(count)]
            self.groups.append(
                nn.Sequential(*(BasicBlock(channels if not place else wider, wider, step) for place, step in enumerate(steps)))
            )
            channels = wider
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.features = channels

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """First layers, groups of blocks, and the mean over positions."""
        return (self.first, *self.groups, self.pool)


def _stem(channels: int, width: int, variant: ResNetVariant) -> nn.Sequential:
    """Build the first layers of a variant."""
    if variant == "small":
        return nn.Sequential(nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    convolution = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
