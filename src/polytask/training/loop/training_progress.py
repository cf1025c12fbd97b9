"""Progress reports of a training run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a training run.

    Attributes:
        epoch: Current epoch, from 1.
        epochs: Maximum number of epochs.
        step: Number of steps taken in this epoch.
        steps: Number of steps per epoch.
        losses: Per task, the loss of the last step.
        metrics: Per task, the last value of the deciding metric on the validation part.
        rows_per_second: Training speed in rows per second, over this session.
        seconds: Training time so far in seconds, over all sessions.
        opposed: Per task, the other task whose gradient of the shared parameters conflicts with its own most, if that was measured.
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
        """Fraction of the maximum number of epochs that is completed, from 0 to 1."""
        return min(1.0, (self.epoch - 1 + self.step / max(1, self.steps)) / max(1, self.epochs))

    def to_dict(self) -> dict[str, Any]:
        """Return the progress as plain data."""
        return asdict(self)


COSINE_PREFIX = "cosine with "


def most_opposed_tasks(found: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Return, per task, the other task with the most negative cosine of their gradients; tasks without a negative cosine are absent.

    Args:
        found: Values by name and task; `cosine with b` of task a is the cosine of the gradients of a and b. Other names are ignored.

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
    """Discard a progress report."""
    del progress
