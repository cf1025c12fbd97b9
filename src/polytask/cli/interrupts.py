"""Signals that end a command: what was kept is said, and the exit code is the signal's."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

MOST_SECONDS = 30.0
"""Time that a training step may take after a signal, before the command ends without a checkpoint of it."""
SECONDS_UNTIL_REPEATED = 0.05
"""Time after which a signal is repeated that arrived during an import, or where Python ignores exceptions."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class InterruptedRunError(BaseException):
    """Raised when a signal stops a command; the message says what is kept.

    Typer swallows the message of a `KeyboardInterrupt`, and code that catches every `Exception` must not swallow this one.
    """


class _StoppedError(KeyboardInterrupt):
    """Ctrl-C or another signal where somebody explains it.

    It is no plain `KeyboardInterrupt`: one that leaves code in a text, as in the making of a data class, lets CPython end the process by
    SIGINT later, even if it was caught.
    """


class _Received:
    number = int(signal.SIGINT)
    count = 0
    explained = 0
    again = False


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
    _Received.number, _Received.count, _Received.again = int(signal.SIGINT), 0, False
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _handle)
    hook, sys.unraisablehook = sys.unraisablehook, _repeat_ignored(sys.unraisablehook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        _Received.count = 0
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    again, _Received.again = _Received.again, False
    _Received.number, _Received.count = number, _Received.count + (not again)
    if _Received.count > 1:
        os._exit(exit_code())
    if _imports(frame):  # an exception in the initialization of compiled code can abort the process
        _call_later(SECONDS_UNTIL_REPEATED, _repeat, number)
        return
    loops = sys.modules.get("polytask.training.loop.stop_requests")  # without the module there is no loop, and importing it takes seconds
    if loops is not None and loops.request_stop():
        _call_later(MOST_SECONDS, os._exit, exit_code())
        return
    if _Received.explained:
        raise _StoppedError
    raise InterruptedRunError("Nothing was begun that could be resumed; run the same command again")


def _imports(frame: FrameType | None) -> bool:
    """Return whether a module is being imported where a signal has arrived."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _call_later(seconds: float, function: Callable[[int], object], argument: int) -> None:
    """Call a function after some time in a thread, which is started without the locks of `threading`: the interrupted code may hold one."""

    def wait() -> None:
        time.sleep(seconds)
        function(argument)

    start_new_thread(wait, ())


def _repeat_ignored(other: Callable[[sys.UnraisableHookArgs], Any]) -> Callable[[sys.UnraisableHookArgs], Any]:
    """Return a hook that repeats a signal whose exception Python ignores, as in functions that run at a fork, and passes on all else."""

    def hook(ignored: sys.UnraisableHookArgs) -> None:
        if not isinstance(ignored.exc_value, _StoppedError | InterruptedRunError):
            other(ignored)
            return
        _call_later(SECONDS_UNTIL_REPEATED, _repeat, _Received.number)

    return hook


def _repeat(number: int) -> None:
    """Send a signal to this process again: one that a thread raises for itself would not end a wait of the main thread."""
    if not _Received.count:  # the command has ended meanwhile
        return
    _Received.again = True
    if os.name == "nt":
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


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
