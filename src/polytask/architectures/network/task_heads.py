"""Heads: what turns features into one task's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from polytask.errors import ConfigError


class SelectSummary(nn.Module):
    """Of features (N, 1 + L, F) the summary of the row (N, F)."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, F)."""
        return features[:, 0]


class SelectTokens(nn.Module):
    """Of features (N, 1 + L, F) those of the tokens (N, L, F)."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, L, F)."""
        return features[:, 1:]


def build_head(features: int, outputs: int, hidden: Sequence[int] = (64,), selector: nn.Module | None = None) -> nn.Sequential:
    """Fully connected layers with ReLU between them: features -> hidden … -> outputs.

    Args:
        features: Width of what comes in.
        outputs: Width of what goes out.
        hidden: Widths in between; the reference network has one layer of 64.
        selector: What picks the head's part of the features, where they are of a row and of its tokens.

    Raises:
        ConfigError: A width is below 1.

    Example:
        >>> [layer.out_features for layer in build_head(1600, 10) if isinstance(layer, nn.Linear)]
        [64, 10]
    """
    if hidden and min(hidden) < 1:
        raise ConfigError("hidden layers have at least one unit", where="head, hidden", found=tuple(hidden))
    widths = (features, *hidden)
    layers: list[nn.Module] = [] if selector is None else [selector]
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
