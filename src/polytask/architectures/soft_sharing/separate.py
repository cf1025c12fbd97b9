"""One encoder per task without sharing: the single-task baseline as one module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import encoder_copies
from polytask.encoders import Encoder


@final
class Separate(Architecture):
    """One encoder per task, with nothing shared: z_t = f(x; θ_t).

    All encoders start alike, as the encoders of single-task networks with the same seed do.

    Args:
        encoder: Encoder of the first task; the other tasks get copies.
        tasks: Names of the tasks.

    Example:
        >>> from polytask.encoders import MLP
        >>> Separate(MLP((4,), hidden=(8,)), ("a", "b")).tasks_reaching("encoders.1.layers.0.0.weight")
        ('b',)
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__(tasks, encoder)
        self.features = encoder.features
        self.encoders = encoder_copies(encoder, len(self.tasks))

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield every encoder with the same stream, so that all start alike."""
        for encoder in self.encoders:
            yield ("architecture",), encoder

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of each task with its own encoder."""
        return {task: self.encoders[self.tasks.index(task)](inputs) for task in tasks}
