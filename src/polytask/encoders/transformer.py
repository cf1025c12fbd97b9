"""Small transformer for sequences of numbers."""

from __future__ import annotations

from typing import cast, final

from torch import nn

from polytask.encoders.encoder import layer_groups_from_blocks
from polytask.encoders.step_reader import StepEncoder, StepReader, check_sequence_options
from polytask.encoders.text_encoder import ATTENTION_HEADS, TransformerContext


@final
class Transformer(StepEncoder):
    """Encoder of sequences of numbers with a small transformer (Vaswani et al., NeurIPS 2017, section 3.1) that normalizes first.

        x ← W x + b + p,    per layer x ← x + attention(norm(x)), x ← x + W₂ ReLU(W₁ norm(x)),    z = norm(x)

    with four attention heads, hidden layers of 2 · width, and the sines and cosines p of the paper's section 3.5. Inputs are sequences
    (N, L, C) of L steps with C channels, normalized per channel. Features are (N, 1 + L, width): for tasks per sequence, those of the
    last step, which attends to all; then each step in its context, for tasks per step. A step whose channels are all NaN is skipped,
    wherever it is; any other NaN is the mean of its channel.

    Deviations: normalization before attention and hidden layers, and once more at the end (Xiong et al., ICML 2020, section 3).

    Args:
        input_shape: Shape (L, C) of one input; inputs of other lengths are accepted too.
        width: Width of the features, divisible by 4.
        layers: Number of layers.
        dropout: Dropout rate of layers and features, at least 0 and below 1.

    Raises:
        ConfigError: Inputs are not sequences of numbers, `width` is not divisible by 4, or a number is out of its range.

    Example:
        >>> import torch
        >>> Transformer((24, 3), width=8)(torch.zeros(2, 24, 3)).shape
        torch.Size([2, 25, 8])
    """

    def __init__(self, input_shape: tuple[int, ...], width: int = 64, layers: int = 2, dropout: float = 0.0) -> None:
        check_sequence_options("transformer", input_shape, {"width": width, "layers": layers}, ATTENTION_HEADS, dropout)
        super().__init__(input_shape, width, TransformerContext(input_shape[1], width, layers, dropout), dropout)

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """What comes before the layers, and each layer."""
        context = cast("TransformerContext", cast("StepReader", self.whole[1]).context)
        return layer_groups_from_blocks(self.whole, tuple(context.layers.layers))
