"""Residual network for vectors."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError


class ResidualMLPBlock(nn.Module):
    """Residual block x + W₂ ReLU(W₁ norm(x)), with dropout after ReLU."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the block to inputs (N, width)."""
        changed: Tensor = inputs + self.body(inputs)
        return changed


@final
class ResidualMLP(Encoder):
    """Encoder of vectors with residual blocks of fully connected layers (Gorishniy et al., NeurIPS 2021, section 3.2).

        x ← W x,    then per block x ← x + W₂ ReLU(W₁ norm(x)),    z = ReLU(norm(x))

    Deviations: layer normalization instead of batch normalization, so that no row depends on another.

    Args:
        input_shape: Shape (features,) of one input.
        width: Width of the representation, and so of the features.
        blocks: Number of residual blocks.
        factor: Width of a block's hidden layer, as a multiple of `width`.
        dropout: Dropout rate of hidden units, at least 0 and below 1.

    Raises:
        ConfigError: Inputs are not vectors, a size is below 1, or the dropout rate is out of its range.

    Example:
        >>> ResidualMLP((8,), width=32).features
        32
    """

    def __init__(self, input_shape: tuple[int, ...], width: int = 128, blocks: int = 2, factor: float = 2.0, dropout: float = 0.0) -> None:
        super().__init__()
        if len(input_shape) != 1 or input_shape[0] < 1:
            found = f"inputs of shape {tuple(input_shape)}"
            raise ConfigError("inputs must be vectors of at least one feature", where="encoder 'residual-mlp'", found=found)
        if width < 1 or blocks < 1 or int(width * factor) < 1:
            found = f"width={width}, blocks={blocks}, factor={factor}"
            raise ConfigError("sizes must be at least 1", where="encoder 'residual-mlp'", found=found)
        if not 0 <= dropout < 1:
            raise ConfigError("`dropout` must be at least 0 and below 1", where="encoder 'residual-mlp'", found=dropout)
        self.input_shape, self.features = tuple(input_shape), width
        self.first = nn.Linear(input_shape[0], width)
        self.blocks = nn.ModuleList(ResidualMLPBlock(width, int(width * factor), dropout) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.ReLU())

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """First layer, residual blocks, and last normalization."""
        return (self.first, *self.blocks, self.last)
