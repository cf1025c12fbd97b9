"""Requests to stop training, which a signal makes and a training loop obeys after the present step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class TrainingStoppedError(KeyboardInterrupt):
    """Raised by a training loop that was asked to stop, after it has saved its state."""


class StopRequests:
    """Requests to this process.

    Attributes:
        loops: Number of training loops that will notice a request soon.
        stopping: Whether training is to stop; a loop that reads it between two steps calls no function.
    """

    loops = 0
    stopping = False


@contextmanager
def obeying_stop_requests() -> Iterator[None]:
    """Say during the block that a loop will notice a request soon."""
    StopRequests.loops += 1
    try:
        yield
    finally:
        StopRequests.loops -= 1


def request_stop() -> bool:
    """Ask the training loop of this process to save its state and stop.

    Returns:
        Whether there is a loop, which raises `TrainingStoppedError` after its present step.

    Example:
        >>> request_stop()
        False
    """
    StopRequests.stopping = StopRequests.loops > 0
    return StopRequests.stopping


def stop_requested() -> bool:
    """Return whether the loop is to stop; the request is taken back by asking."""
    asked, StopRequests.stopping = StopRequests.stopping, False
    return asked
