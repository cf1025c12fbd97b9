"""Parts of encoders of sequences of numbers: what a missing step is, and the summary of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polytask.encoders.sequence_encoder_base import SequenceEncoder
from polytask.errors import ConfigError


class StepMask(nn.Module):
    """Mask of the steps of normalized sequences: (N, L, C) -> (N, L, C + 1), whose last number is 1 for a step and 0 for a missing one.

    A step is missing if all its numbers are NaN. Any other NaN becomes 0, which is the mean of its channel.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Mark the steps of sequences (N, L, C)."""
        gaps = inputs.isnan()
        there = ~gaps.all(dim=2, keepdim=True)
        return torch.cat([inputs.masked_fill(gaps, 0.0), there.to(inputs.dtype)], dim=2)


class StepReader(nn.Module):
    """Module that maps marked steps (N, L, C + 1) to features (N, 1 + L, width): a summary, then each step in its context.

    The context maps steps (N, L, C), and a mask (N, L) of those that are there, the first few of each row, to features (N, L, width).
    Missing steps are left out before the context is computed, wherever they are, and have the features 0. The summary is what the last
    step knows; with `both_ends`, the second half of its numbers is what the first step knows, since a bidirectional network has read
    the sequence from its end there. A sequence without steps has the summary 0.
    """

    def __init__(self, context: nn.Module, dropout: float, *, both_ends: bool = False) -> None:
        super().__init__()
        self.context, self.dropout, self.both_ends = context, nn.Dropout(dropout), both_ends

    def forward(self, stemmed: Tensor) -> Tensor:
        """Compute features (N, 1 + L, width)."""
        there = stemmed[..., -1] > 0.5
        # Steps are moved before the missing ones, in order; `order` says which step of the row takes each place.
        order = (~there).to(torch.uint8).argsort(dim=1, stable=True)
        count = there.sum(dim=1)
        first = torch.arange(there.shape[1], device=there.device) < count.unsqueeze(1)
        steps = stemmed[..., :-1].gather(1, order.unsqueeze(2).expand(-1, -1, stemmed.shape[2] - 1))
        known = self.context(steps, first).masked_fill(~first.unsqueeze(2), 0.0)
        width = known.shape[2]
        summary = known.gather(1, (count - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, width))
        if self.both_ends:
            summary = torch.cat([summary[..., : width // 2], known[:, :1, width // 2 :]], dim=2)
        back = torch.zeros_like(known).scatter(1, order.unsqueeze(2).expand(-1, -1, width), known)
        features: Tensor = self.dropout(torch.cat([summary, back], dim=1))
        return features


class StepEncoder(SequenceEncoder):
    """Base class for encoders of sequences of numbers (N, L, C): L steps with C channels each.

    Args:
        input_shape: Shape (L, C) of one input; inputs of other lengths are accepted too.
        width: Width of the features.
        context: Module that maps steps to features.
        dropout: Dropout rate of the features.
        both_ends: Whether the context reads sequences in both directions, one in each half of its features.
    """

    def __init__(self, input_shape: tuple[int, ...], width: int, context: nn.Module, dropout: float, *, both_ends: bool = False) -> None:
        super().__init__()
        self.input_shape, self.features = tuple(input_shape), width
        self.whole = nn.Sequential(StepMask(), StepReader(context, dropout, both_ends=both_ends))


def check_sequence_options(name: str, input_shape: tuple[int, ...], sizes: dict[str, int], multiple: int, dropout: float) -> None:
    """Check the shape of the inputs of an encoder of sequences of numbers, and its options.

    Args:
        name: Registry name of the encoder, for messages.
        input_shape: Shape of one input.
        sizes: Options that must be at least 1.
        multiple: Number by which the option `width` must be divisible.
        dropout: Dropout rate.

    Raises:
        ConfigError: The inputs are not sequences of numbers, or an option is out of its range.
    """
    where = f"encoder {name!r}"
    if len(input_shape) != 2 or min(input_shape) < 1:
        found = f"inputs of shape {tuple(input_shape)}"
        raise ConfigError("inputs must be sequences of numbers, (steps, channels), with at least one of each", where=where, found=found)
    if min(sizes.values()) < 1 or sizes["width"] % multiple:
        found = ", ".join(f"{option}={size}" for option, size in sizes.items())
        also = f", and `width` divisible by {multiple}" if multiple > 1 else ""
        raise ConfigError(f"sizes must be at least 1{also}", where=where, found=found)
    if not 0 <= dropout < 1:
        raise ConfigError("`dropout` must be at least 0 and below 1", where=where, found=f"dropout={dropout}")
