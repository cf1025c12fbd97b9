"""Experts: bodies of the same form behind a shared stem."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import StreamName
from polytask.architectures.encoder_stages import apply_stages
from polytask.encoders import Encoder


class Experts(nn.Module):
    """Encoder that serves as the first expert, and copies of its body with other initial values.

    Attributes:
        seen: Width of the inputs of gates.
    """

    def __init__(self, encoder: Encoder, count: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.others = nn.ModuleList(nn.Sequential(*deepcopy(encoder.body)) for _ in range(count - 1))
        self.seen = gate_input_width(encoder)

    def __len__(self) -> int:
        return 1 + len(self.others)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield one stream per expert; the first is that of the encoder under hard sharing."""
        yield ("architecture",), self.encoder
        for number, expert in enumerate(self.others, start=1):
            yield ("architecture", "expert", number), expert

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs of gates (N, seen), and the experts' features (experts, N, ...)."""
        stemmed = self.encoder.stem(inputs)
        bodies = [self.encoder.body, *self.others]
        return self.encoder.summary(stemmed), torch.stack([apply_stages(body, stemmed) for body in bodies])


def gate_input_width(encoder: Encoder) -> int:
    """Return the width of the inputs of gates."""
    with torch.no_grad():
        return encoder.summary(encoder.stem(encoder.example(2))).shape[1]
