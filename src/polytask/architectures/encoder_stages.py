"""Helpers for architectures that copy encoders or work between their stages."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from polytask.encoders import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.errors import ConfigError


def encoder_copies(encoder: Encoder, count: int) -> nn.ModuleList:
    """Return `count` encoders: the given one and deep copies of it."""
    return nn.ModuleList([encoder, *(copy.deepcopy(encoder) for _ in range(count - 1))])


def number_layer_groups(encoder: Encoder) -> None:
    """Store in each module of an encoder how many learned pieces come after it, as `groups_after`; copies keep the number."""
    learned = [piece for piece in encoder.pieces if any(True for _ in piece.parameters())]
    for number, piece in enumerate(learned, start=1):
        # A module of several pieces keeps the number of the last, innermost one.
        for module in piece.modules():
            module.groups_after = len(learned) - number  # type: ignore[assignment]


def require_stages(architecture: str, encoder: Encoder) -> tuple[nn.Module, ...]:
    """Return the stages of an encoder, of which at least two have parameters.

    Raises:
        ConfigError: Fewer than two stages have parameters.
    """
    stages = encoder.stages
    if sum(any(True for _ in stage.parameters()) for stage in stages) < 2:
        where, found = f"architecture {architecture!r}", f"{type(encoder).__name__} with one stage"
        remedy = "Choose an encoder with at least two stages"
        raise ConfigError("this architecture works between the stages of an encoder", where=where, found=found, remedy=remedy)
    return stages


def apply_stages(pieces: Iterable[nn.Module], values: Tensor) -> Tensor:
    """Apply modules one after the other."""
    for piece in pieces:
        values = piece(values)
    return values


def stage_shapes(encoder: Encoder, pieces: tuple[nn.Module, ...] | None = None) -> list[tuple[int, ...]]:
    """Return the shape of one row after each stage or, if `pieces` of the body are given, after each piece behind the stem."""
    with eval_mode(encoder), torch.no_grad():
        values, shapes = encoder.example(2), []
        values = values if pieces is None else encoder.stem(values)
        for stage in encoder.stages if pieces is None else pieces:
            values = stage(values)
            shapes.append(tuple(values.shape[1:]))
    return shapes


def pointwise_layer(inputs: int, outputs: int, shape: tuple[int, ...], *, bias: bool = True) -> nn.Module:
    """Create a linear map of the channels, applied at each position of vectors (N, C) or maps (N, C, height, width).

    Raises:
        ConfigError: `shape` is the shape of neither.
    """
    if len(shape) == 1:
        return nn.Linear(inputs, outputs, bias=bias)
    if len(shape) == 3:
        return nn.Conv2d(inputs, outputs, kernel_size=1, bias=bias)
    raise ConfigError("features between stages must be vectors or maps", where="encoder", found=f"features of shape {shape}")


def broadcast_channels(values: Tensor, features: Tensor) -> Tensor:
    """Reshape values (C,) so that they multiply features (N, C, ...) channel by channel."""
    return values.view(1, -1, *(1,) * (features.dim() - 2))
