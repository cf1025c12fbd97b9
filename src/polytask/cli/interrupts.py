"""Handling of Ctrl-C: report what was kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InterruptedRunError(Exception):
    """Raised when the user stops a run; the message says what is kept.

    Typer swallows the message of a `KeyboardInterrupt`.
    """


@contextmanager
def explain_interrupt(text: str) -> Iterator[None]:
    """Convert a Ctrl-C inside the context into an `InterruptedRunError` with the message `text`."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(text) from None
