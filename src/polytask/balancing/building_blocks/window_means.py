"""Losses of a task, averaged over windows of its steps, which replace epochs in loops that have none."""

from __future__ import annotations

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
