"""Begin and end of a session of training for its callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polytask.training.loop.training_loop import TrainingLoop


@contextmanager
def callback_session(loop: TrainingLoop) -> Iterator[None]:
    """Let callbacks begin, and end even if training ends with an error."""
    with ExitStack() as stack:
        for callback in loop.state.callbacks.values():
            callback.on_fit_begin(loop)
            stack.callback(callback.on_fit_end, loop)
        yield
