"""What to train: an encoder and a way of sharing, and what they promise to polytask's battery of tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import polytask as pt


class OneLayer(pt.Encoder):
    """One layer."""

    def __init__(self, input_shape: tuple[int, ...], width: int = 3) -> None:
        super().__init__()
        self.input_shape, self.features = tuple(input_shape), width
        self.layer = nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU())

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        return (self.layer,)


class Scaled(pt.Architecture):
    """Hard sharing, with a learned scale of the features for every task."""

    def __init__(self, encoder: pt.Encoder, tasks: Sequence[str], start: float = 1.0) -> None:
        super().__init__(tasks, encoder)
        self.encoder = encoder
        self.scales = nn.ParameterList([nn.Parameter(torch.tensor([float(start)])) for _ in tasks])

    def width(self, task: str) -> int:
        return self.encoder.features

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        features = self.encoder(inputs)
        return {task: features * self.scales[self.tasks.index(task)] for task in tasks}

    def describe_sharing(self) -> dict[str, dict[str, float]]:
        return {"scale": {task: float(scale.detach()) for task, scale in zip(self.tasks, self.scales, strict=True)}}


ENCODERS = ({"spelled": "one-layer(width=4)", "input_shape": (5,), "features": 4, "wrong": ("width=wide",)},)
ARCHITECTURES = ({"spelled": "scaled", "at_start": "hard"},)
