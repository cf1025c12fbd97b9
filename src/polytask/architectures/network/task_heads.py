"""Heads: modules that map features to the outputs of one task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from polytask.errors import ConfigError


class SelectSummary(nn.Module):
    """Module that selects the summary of the row (N, F) from features (N, 1 + L, F)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the summary of the row (N, F)."""
        return features[:, 0]


class SelectTokens(nn.Module):
    """Module that selects the features of the tokens (N, L, F) from features (N, 1 + L, F)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the features of the tokens (N, L, F)."""
        return features[:, 1:]


def build_head(features: int, outputs: int, hidden: Sequence[int] = (64,), selector: nn.Module | None = None) -> nn.Sequential:
    """Build a head of fully connected layers with ReLU between them: features -> hidden … -> outputs.

    Args:
        features: Number of input features.
        outputs: Number of outputs.
        hidden: Widths of the hidden layers; the reference network has one layer of 64 units.
        selector: First module of the head, which selects the summary or the tokens; `None` if features have no tokens.

    Raises:
        ConfigError: A width is below 1.

    Example:
        >>> [layer.out_features for layer in build_head(1600, 10) if isinstance(layer, nn.Linear)]
        [64, 10]
    """
    if hidden and min(hidden) < 1:
        raise ConfigError("hidden layers must have at least one unit", where="head, hidden", found=tuple(hidden))
    widths = (features, *hidden)
    layers: list[nn.Module] = [] if selector is None else [selector]
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
