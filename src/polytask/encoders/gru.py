"""Recurrent network for sequences of numbers."""

from __future__ import annotations

from typing import final

from torch import Tensor

from polytask.encoders.step_reader import StepEncoder, check_sequence_options
from polytask.encoders.text_encoder import RecurrentContext


class StepRecurrence(RecurrentContext):
    """Bidirectional GRU that packs sequences only if some are shorter: on a CPU, packing takes four times as long."""

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        """Compute the features (N, L, width) of each step in its context."""
        if not bool(there.all()):
            return super().forward(vectors, there)
        steps: Tensor = self.gru(vectors)[0]
        return steps


@final
class GRU(StepEncoder):
    """Encoder of sequences of numbers with a bidirectional gated recurrent unit (Cho et al., EMNLP 2014, section 2.3).

        h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ tanh(W x_t + r_t ⊙ (U h_{t−1})),    z_t, r_t = σ(W' x_t + U' h_{t−1})

    Inputs are sequences (N, L, C) of L steps with C channels, normalized per channel. Features are (N, 1 + L, width): for tasks per
    sequence, the last state of the forward direction with the last one of the backward direction; then each step in its context, for
    tasks per step. A step whose channels are all NaN is skipped, wherever it is; any other NaN is the mean of its channel.

    Deviations: PyTorch's GRU, with a bias in the recurrent part.

    Args:
        input_shape: Shape (L, C) of one input; inputs of other lengths are accepted too.
        width: Width of the features; each of the two directions has half of it.
        layers: Number of layers.
        dropout: Dropout rate between layers and of features, at least 0 and below 1.

    Raises:
        ConfigError: Inputs are not sequences of numbers, `width` is odd, or a number is out of its range.

    Example:
        >>> import torch
        >>> GRU((24, 3), width=8)(torch.zeros(2, 24, 3)).shape
        torch.Size([2, 25, 8])
    """

    def __init__(self, input_shape: tuple[int, ...], width: int = 128, layers: int = 1, dropout: float = 0.0) -> None:
        check_sequence_options("gru", input_shape, {"width": width, "layers": layers}, 2, dropout)
        super().__init__(input_shape, width, StepRecurrence(input_shape[1], width, layers, dropout), dropout, both_ends=True)
