"""Ctrl-C, with what was kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InterruptedRunError(Exception):
    """The user stopped a run; the message says what is kept. (The command-line framework swallows a KeyboardInterrupt's.)"""


@contextmanager
def explain_interrupt(text: str) -> Iterator[None]:
    """Turn a Ctrl-C inside into an `InterruptedRunError` with this text."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(text) from None
