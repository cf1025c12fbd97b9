"""No sharing: the baseline, in one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import encoder_copies
from polytask.encoders import Encoder


@final
class Separate(Architecture):
    """An encoder per task: z_t = f(x; θ_t). Nothing is shared.

    All encoders start alike, as the encoders of single-task networks of one seed do.

    Args:
        encoder: The first task's; the others get copies.
        tasks: The names of the tasks.

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
        """The encoder's features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The same stream for every encoder."""
        for encoder in self.encoders:
            yield ("architecture",), encoder

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Every task's own features."""
        return {task: self.encoders[self.tasks.index(task)](inputs) for task in tasks}
