"""Losses of a task, averaged over windows of its steps, which replace epochs in loops that have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class WindowMeans:
    """Means of the last two complete windows, and the running sum of the current one.

    Attributes:
        newer: Mean of the last complete window; `None` before the first is complete.
        older: Mean of the window before the last complete one; `None` before two are complete.
        total: Sum of the losses in the current window.
        count: Number of losses in the current window.
        complete: Number of complete windows.

    Example:
        >>> means = WindowMeans()
        >>> for loss in (8.0, 6.0, 4.0, 2.0, 9.0):
        ...     means = means.added(loss, window=2)
        >>> means.newer, means.older, means.complete
        (3.0, 7.0, 2)
    """

    newer: float | None = None
    older: float | None = None
    total: float = 0.0
    count: int = 0
    complete: int = 0

    def added(self, loss: float, window: int) -> WindowMeans:
        """Return the means after one more loss, with `window` losses per window."""
        total, count = self.total + loss, self.count + 1
        if count < window:
            return WindowMeans(self.newer, self.older, total, count, self.complete)
        return WindowMeans(total / count, self.newer, 0.0, 0, self.complete + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


class TaskWindows:
    """Window means of every task, as the state of a balancer. A window counts the steps in which its task is present.

    Example:
        >>> windows = TaskWindows()
        >>> for loss in (3.0, 1.0):
        ...     windows.add("a", loss, window=2)
        >>> windows.of("a").newer, windows.of("b").newer
        (2.0, None)
    """

    def __init__(self) -> None:
        self._means: dict[str, WindowMeans] = {}

    def of(self, task: str) -> WindowMeans:
        """Return the means of a task."""
        return self._means.get(task, WindowMeans())

    def add(self, task: str, loss: float, window: int) -> None:
        """Add a loss to the present window of a task, which is complete with `window` losses."""
        self._means[task] = self.of(task).added(loss, window)

    def state_dict(self) -> dict[str, Any]:
        """Return the means of every known task."""
        return {task: means.to_dict() for task, means in self._means.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._means = {task: WindowMeans(**values) for task, values in state.items()}
