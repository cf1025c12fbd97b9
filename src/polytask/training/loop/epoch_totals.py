"""Values of the steps of an epoch, for the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class EpochTotals:
    """Losses, weights and other values of the steps of an epoch, per task.

    Attributes:
        numbers: Values of all steps, by name and task.
        last: Losses of the last step, by task.
    """

    numbers: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def add(self, step: Mapping[str, Mapping[str, float]]) -> None:
        """Add the values of a step, by name and task."""
        self.last = dict(step["loss"])
        for name, values in step.items():
            for task, value in values.items():
                self.numbers.setdefault(name, {}).setdefault(task, []).append(value)

    def means(self) -> dict[str, dict[str, float]]:
        """Return means by name and task, over the steps in which the task was present."""
        return {name: {task: sum(v) / len(v) for task, v in values.items()} for name, values in self.numbers.items()}
