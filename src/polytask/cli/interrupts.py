"""Signals that end a command: what was kept is said, and the exit code is the signal's."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MOST_SECONDS = 30.0
"""Time that a training step may take after a signal, before the command ends without a checkpoint of it."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class InterruptedRunError(BaseException):
    """Raised when a signal stops a command; the message says what is kept.

    Typer swallows the message of a `KeyboardInterrupt`, and code that catches every `Exception` must not swallow this one.
    """


class _Received:
    number = int(signal.SIGINT)
    count = 0
    explained = 0


def exit_code() -> int:
    """Return the exit code for the signal that was received last, 128 and its number."""
    return 128 + _Received.number


@contextmanager
def handled_signals() -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and SIGHUP during the block.

    The first signal asks a training loop to save its state after the present step, or is raised where it arrives if no loop is running.
    The second one ends the process at once. A signal that the parent process ignores, as `nohup` does, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _Received.number, _Received.count = int(signal.SIGINT), 0
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    del frame
    _Received.number, _Received.count = number, _Received.count + 1
    if _Received.count > 1:
        os._exit(exit_code())
    loops = sys.modules.get("polytask.training.loop.stop_requests")  # without the module there is no loop, and importing it takes seconds
    if loops is not None and loops.request_stop():
        timer = threading.Timer(MOST_SECONDS, os._exit, [exit_code()])
        timer.daemon = True
        timer.start()
        return
    if _Received.explained:
        raise KeyboardInterrupt
    raise InterruptedRunError("Nothing was begun that could be resumed; run the same command again")


@contextmanager
def explain_interrupt(text: str) -> Iterator[None]:
    """Convert a signal inside the context into an `InterruptedRunError` with the message `text`."""
    _Received.explained += 1
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(text) from None
    finally:
        _Received.explained -= 1
