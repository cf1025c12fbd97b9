"""Encoders in pieces: copies of them, and the shapes between their stages."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from polytask.encoders import Encoder
from polytask.encoders.evaluation_mode import eval_mode
from polytask.errors import ConfigError


def encoder_copies(encoder: Encoder, count: int) -> nn.ModuleList:
    """The encoder itself, and copies of it: `count` in all."""
    return nn.ModuleList([encoder, *(copy.deepcopy(encoder) for _ in range(count - 1))])


def number_layer_groups(encoder: Encoder) -> None:
    """Note in every module of an encoder how many of its pieces come after it: copies of it know too."""
    learned = [piece for piece in encoder.pieces if any(True for _ in piece.parameters())]
    for number, piece in enumerate(learned, start=1):
        for module in piece.modules():
            module.groups_after = len(learned) - number  # type: ignore[assignment]


def require_stages(architecture: str, encoder: Encoder) -> tuple[nn.Module, ...]:
    """The stages of an encoder that has several with parameters.

    Raises:
        ConfigError: It has one alone.
    """
    stages = encoder.stages
    if sum(any(True for _ in stage.parameters()) for stage in stages) < 2:
        where, found = f"architecture {architecture!r}", f"{type(encoder).__name__} with one stage"
        remedy = "Take an encoder with at least two stages"
        raise ConfigError("this way of sharing works between the stages of an encoder", where=where, found=found, remedy=remedy)
    return stages


def apply_stages(pieces: Iterable[nn.Module], values: Tensor) -> Tensor:
    """One piece after the other."""
    for piece in pieces:
        values = piece(values)
    return values


def stage_shapes(encoder: Encoder, pieces: tuple[nn.Module, ...] | None = None) -> list[tuple[int, ...]]:
    """The shape of one row after every stage, or after every piece of its body."""
    with eval_mode(encoder), torch.no_grad():
        values, shapes = encoder.example(2), []
        values = values if pieces is None else encoder.stem(values)
        for stage in encoder.stages if pieces is None else pieces:
            values = stage(values)
            shapes.append(tuple(values.shape[1:]))
    return shapes


def pointwise_layer(inputs: int, outputs: int, shape: tuple[int, ...], *, bias: bool = True) -> nn.Module:
    """A linear map of the channels at every place: of vectors (N, C), or of maps (N, C, height, width).

    Raises:
        ConfigError: The features are neither.
    """
    if len(shape) == 1:
        return nn.Linear(inputs, outputs, bias=bias)
    if len(shape) == 3:
        return nn.Conv2d(inputs, outputs, kernel_size=1, bias=bias)
    raise ConfigError("features between stages are vectors or maps", where="encoder", found=f"features of shape {shape}")


def broadcast_channels(values: Tensor, features: Tensor) -> Tensor:
    """Values (C,) in a shape that multiplies features (N, C, ...) channel by channel."""
    return values.view(1, -1, *(1,) * (features.dim() - 2))
