"""Display of the progress of `fit` in a terminal and in a notebook; nothing is shown anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polytask.training.loop.training_progress import ProgressHook, TrainingProgress, ignore_progress

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_TASKS = 8
"""Largest number of tasks of a network that are shown."""


@contextmanager
def shown_progress(given: ProgressHook | None) -> Iterator[ProgressHook]:
    """Yield the function to report progress to: the one that is given, or one that shows it, if somebody may be looking.

    Args:
        given: Function of the user; `None` shows the progress on standard error, if that is a terminal, or below a cell of a notebook.
    """
    if given is not None:
        yield given
    elif (handle := _notebook_display()) is not None:
        yield lambda progress: handle(progress_line(progress))
        handle("")
    elif sys.stderr is not None and sys.stderr.isatty():
        with _terminal_display() as hook:
            yield hook
    else:
        yield ignore_progress


@contextmanager
def _terminal_display() -> Iterator[ProgressHook]:
    """Show a few lines that are updated in place, and disappear at the end."""
    from rich.console import Console, Group
    from rich.errors import LiveError
    from rich.live import Live
    from rich.text import Text

    live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
    try:
        live.start()
    except LiveError:  # the caller shows something else
        yield ignore_progress
        return
    try:
        yield lambda progress: live.update(Group(network_rows([("network", progress)]), Text(time_left(progress.seconds, progress.share))))
    finally:
        live.stop()


def _notebook_display() -> Callable[[str], None] | None:
    """Return a function that shows a line below the running cell, in place of its previous line; `None` outside of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    handle = ipython.display.display({"text/plain": ""}, raw=True, display_id=True)
    return None if handle is None else lambda line: handle.update({"text/plain": line}, raw=True)


def network_rows(running: Sequence[tuple[str, TrainingProgress]]) -> RenderableType:
    """Return one row per network and, below it, one per task; the table is narrow enough for any terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for label, status in running:
        table.add_row(escape(label), f"epoch {status.epoch}", f"step {status.step}/{status.steps}", f"{status.rows_per_second:,.0f} rows/s")
        for task, loss in list(status.losses.items())[:MOST_TASKS]:
            metric = f"validation {status.metrics[task]:.3f}" if task in status.metrics else ""
            table.add_row(f"  {escape(task)}", f"loss {loss:.3f}", metric, "")
    return table


def progress_line(status: TrainingProgress) -> str:
    """Return the progress of a network in one line.

    Example:
        >>> progress_line(TrainingProgress(2, 10, 5, 5, {"a": 0.5}, {"a": 0.25}, 1000.0, 8.0))
        'epoch 2, loss a 0.500, validation a 0.250, 1,000 rows/s'
    """
    parts = [f"epoch {status.epoch}", _numbers("loss", status.losses), _numbers("validation", status.metrics)]
    return ", ".join(part for part in (*parts, f"{status.rows_per_second:,.0f} rows/s") if part)


def _numbers(what: str, values: object) -> str:
    numbers = dict(values) if isinstance(values, dict) else {}
    return f"{what} " + " ".join(f"{task} {value:.3f}" for task, value in numbers.items()) if numbers else ""


def time_left(seconds: float, share: float) -> str:
    """Return the time spent, and an upper bound of the time left, extrapolated from the finished fraction.

    Example:
        >>> time_left(10.0, 0.25)
        '10 s, at most 30 s left'
    """
    if share < 0.02:
        return f"{seconds:.0f} s"
    return f"{seconds:.0f} s, at most {seconds * (1 - share) / share:.0f} s left"
