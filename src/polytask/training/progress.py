"""What a training run tells while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: The epoch under way, from 1.
        epochs: The most there can be.
        step: Steps taken in this epoch.
        steps: Steps of an epoch.
        losses: Per task the loss of the last step.
        metrics: Per task the last value of its first metric on the validation part.
        rows_per_second: Speed.
        seconds: Time spent so far.
        opposed: Per task the other whose gradients of shared parameters pointed away from its own most, where that was looked at.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    rows_per_second: float = 0.0
    seconds: float = 0.0
    opposed: Mapping[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """How much of the budget is used, from 0 to 1."""
        return min(1.0, (self.epoch - 1 + self.step / max(1, self.steps)) / self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


Watch = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Nobody watches."""
    del progress
