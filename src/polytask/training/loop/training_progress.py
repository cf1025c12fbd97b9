"""What a training run tells while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingProgress:
    """How far a run is.

    Attributes:
        epoch: The epoch under way, from 1.
        epochs: The most there can be.
        step: Steps taken in this epoch.
        steps: Steps of an epoch.
        losses: Per task the loss of the last step.
        metrics: Per task the last value of the metric that decides, on the validation part.
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


COSINE_PREFIX = "cosine with "


def most_opposed_tasks(found: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Per task the other whose gradient points away from its own most; nothing where none does.

    Args:
        found: By name and task; `cosine with b` of task a is the cosine of their gradients.

    Example:
        >>> most_opposed_tasks({"cosine with b": {"a": -0.1}, "cosine with c": {"a": -0.3, "b": 0.2}, "loss": {"a": 1.0}})
        {'a': 'c', 'b': 'a', 'c': 'a'}
    """
    pairs = [
        (value, task, name.removeprefix(COSINE_PREFIX))
        for name, own in found.items()
        if name.startswith(COSINE_PREFIX)
        for task, value in own.items()
    ]
    against: dict[str, str] = {}
    for value, task, other in sorted(pairs, reverse=True):
        if value < 0:
            against |= {task: other, other: task}
    return against


ProgressHook = Callable[[TrainingProgress], None]


def ignore_progress(progress: TrainingProgress) -> None:
    """Nobody watches."""
    del progress
