"""Encoders that are ordinary modules, and functions that make them."""

from __future__ import annotations

from torch import Tensor, nn


def trunk(input_shape: tuple[int, ...], width: int = 4) -> nn.Module:
    """Make an encoder that starts in its own way."""
    layer = nn.Linear(input_shape[0], width)
    nn.init.normal_(layer.weight, 3.0)
    return nn.Sequential(layer, nn.BatchNorm1d(width), nn.ReLU())


class Trunk(nn.Module):
    """An encoder that is an ordinary module."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layer = nn.Linear(3, width)

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(rows).relu()


def nothing_at_all() -> None:
    """Forget to return the module."""
