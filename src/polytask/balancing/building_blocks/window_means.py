"""A task's losses, averaged over windows of its own steps: what stands for epochs where there are none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class WindowMeans:
    """The means of the last two complete windows, and what the current one has so far.

    Attributes:
        newer: Mean of the last complete window; None before there is one.
        older: Mean of the window before that.
        total: Sum of the current window's losses.
        count: How many they are.
        complete: How many windows are complete.

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
        """After one more loss; a window has `window` of them."""
        total, count = self.total + loss, self.count + 1
        if count < window:
            return WindowMeans(self.newer, self.older, total, count, self.complete)
        return WindowMeans(total / count, self.newer, 0.0, 0, self.complete + 1)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)
