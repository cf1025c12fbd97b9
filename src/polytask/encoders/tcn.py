"""Temporal convolutional network for sequences of numbers."""

from __future__ import annotations

from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from polytask.encoders.encoder import layer_groups_from_blocks
from polytask.encoders.step_reader import StepEncoder, StepReader, check_sequence_options
from polytask.errors import ConfigError


class CausalBlock(nn.Module):
    """Residual block ReLU(x + F(x)) of two dilated causal convolutions; if widths change, a 1×1 convolution is applied to x."""

    def __init__(self, inputs: int, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.first = nn.Conv1d(inputs, width, kernel, dilation=dilation)
        self.second = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.shortcut = nn.Identity() if inputs == width else nn.Conv1d(inputs, width, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor) -> Tensor:
        """Map steps (N, inputs, L) to (N, width, L)."""
        values = steps
        for convolution in (self.first, self.second):
            values = self.dropout(torch.relu(convolution(functional.pad(values, (self.before, 0)))))
        return torch.relu(self.shortcut(steps) + values)


class ConvolutionalContext(nn.Module):
    """Stack of causal blocks with dilations 1, 2, 4, …."""

    def __init__(self, inputs: int, width: int, kernel: int, levels: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            CausalBlock(inputs if not level else width, width, kernel, 2**level, dropout) for level in range(levels)
        )

    def forward(self, steps: Tensor, there: Tensor) -> Tensor:
        """Compute the features (N, L, width) of each step and those before it."""
        del there  # missing steps come last, where no convolution looks from the others
        values = steps.transpose(1, 2)
        for block in self.blocks:
            values = block(values)
        return values.transpose(1, 2)


@final
class TCN(StepEncoder):
    """Encoder of sequences of numbers with dilated causal convolutions (Bai, Kolter & Koltun, 2018, sections 3.2 and 3.3).

        (x ∗_d f)_t = Σ_{i<k} f_i x_{t−di},    per level l with d = 2^l: x ← ReLU(x + F(x)), F = two times dropout(ReLU(x ∗_d f))

    Inputs are sequences (N, L, C) of L steps with C channels, normalized per channel. Features are (N, 1 + L, width): for tasks per
    sequence, those of the last step; then each step, for tasks per step. The features of a step depend on that step and those before
    it only: a task per step cannot look ahead. A level sees 2 (k − 1) 2^l steps further back than the one below it. A step whose
    channels are all NaN is skipped, wherever it is; any other NaN is the mean of its channel.

    Deviations: no weight normalization, and dropout of numbers instead of whole channels.

    Args:
        input_shape: Shape (L, C) of one input; inputs of other lengths are accepted too.
        width: Number of channels of all levels, and width of the features.
        kernel: Number of steps k of a convolution, at least 2.
        levels: Number of levels; `None` takes as many as the last step needs to see all L steps.
        dropout: Dropout rate after each convolution and of features, at least 0 and below 1.

    Raises:
        ConfigError: Inputs are not sequences of numbers, or a number is out of its range.

    Example:
        >>> encoder = TCN((24, 3), width=8)  # sees 1 + 2 · 2 · (1 + 2 + 4) = 29 steps
        >>> encoder(torch.zeros(2, 24, 3)).shape, len(encoder.pieces)
        (torch.Size([2, 25, 8]), 3)
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int = 64, kernel: int = 3, levels: int | None = None, dropout: float = 0.0
    ) -> None:
        check_sequence_options("tcn", input_shape, {"width": width, "levels": 1 if levels is None else levels}, 1, dropout)
        if kernel < 2:
            raise ConfigError("`kernel` must be at least 2", where="encoder 'tcn'", found=f"kernel={kernel}")
        count = levels_to_see(input_shape[0], kernel) if levels is None else levels
        super().__init__(input_shape, width, ConvolutionalContext(input_shape[1], width, kernel, count, dropout), 0.0)

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """Each level."""
        context = cast("ConvolutionalContext", cast("StepReader", self.whole[1]).context)
        return layer_groups_from_blocks(self.whole, tuple(context.blocks))[1:]


def levels_to_see(steps: int, kernel: int) -> int:
    """Return the smallest number of levels n, at least 1, with 1 + 2 (k − 1) (2^n − 1) ≥ steps.

    Example:
        >>> levels_to_see(29, 3), levels_to_see(30, 3)
        (3, 4)
    """
    levels = 1
    while 1 + 2 * (kernel - 1) * (2**levels - 1) < steps:
        levels += 1
    return levels
