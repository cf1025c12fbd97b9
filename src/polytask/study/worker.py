"""The manners of a worker process: its parent answers Ctrl-C, and without a parent it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 0.2


def in_worker(parent: int, function: Callable[..., Result], *values: Any) -> Result:  # noqa: ANN401 - whatever the function takes
    """Call the function in a worker process of `parent`."""
    if os.getpid() != parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
        _end_with(parent)
    return function(*values)


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent has ended, as one that was killed does without telling its workers.

    A worker that outlived it would write into a folder that another run may hold by then.
    """
    if os.getppid() == parent:  # on another computer that number says nothing
        threading.Thread(target=_watch_over, args=(parent,), daemon=True).start()


def _watch_over(parent: int) -> None:
    # POSIX gives orphans another parent; elsewhere the number disappears.
    while os.getppid() == parent and psutil.pid_exists(parent):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
