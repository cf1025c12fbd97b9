"""Progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from polytask.studies import StudyProgress
from polytask.training import TrainingProgress
from polytask.training.live_progress import MOST_TASKS, network_rows, progress_line, time_left
from polytask.verdicts.shown.sanitize import clean_text

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def study_display(console: Console, *, quiet: bool) -> Iterator[Callable[[StudyProgress], None]]:
    """Show the progress of a study; pass the yielded function to `Study.run`.

    Args:
        console: Console to print to.
        quiet: Show nothing.
    """
    started = time.monotonic()
    with _display(console, quiet=quiet) as show:
        yield lambda progress: show(
            lambda: _study_panel(progress, time.monotonic() - started),
            lambda: _study_line(progress, time.monotonic() - started),
            progress.stage == "testing",
        )


@contextmanager
def training_display(console: Console, *, quiet: bool) -> Iterator[Callable[[TrainingProgress], None]]:
    """Show the progress of training one network; pass the yielded function to `fit` or `train_network`.

    Args:
        console: Console to print to.
        quiet: Show nothing.
    """
    with _display(console, quiet=quiet) as show:
        yield lambda progress: show(
            lambda: Group(network_rows([("network", progress)]), Text(time_left(progress.seconds, progress.share))),
            lambda: f"{progress_line(progress)}, {time_left(progress.seconds, progress.share)}",
            progress.step == progress.steps and progress.epoch == progress.epochs,
        )


ShowProgress = Callable[[Callable[[], RenderableType], Callable[[], str], bool], None]


@contextmanager
def _display(console: Console, *, quiet: bool) -> Iterator[ShowProgress]:
    """Yield a function that updates a live display on a terminal, or prints a line every few seconds elsewhere."""
    if quiet:
        yield lambda picture, line, important: None
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda picture, line, important: live.update(picture())
    else:
        last = [float("-inf")]

        def print_line(picture: object, line: Callable[[], str], important: bool) -> None:
            del picture
            if important or time.monotonic() - last[0] >= SECONDS_BETWEEN_LINES:
                last[0] = time.monotonic()
                console.print(escape(line()), highlight=False, soft_wrap=True)

        yield print_line


def _study_panel(progress: StudyProgress, seconds: float) -> RenderableType:
    share = _study_share(progress)
    head = Table.grid(padding=(0, 1))
    head.add_row(f"{progress.stage}: {progress.done} of {progress.total} networks", ProgressBar(100, 100 * share, width=24))
    head.add_row(time_left(seconds, share), "")
    behind = Text("\n".join(clean_text(line) for line in progress.behind[:MOST_TASKS]), style="yellow")
    return Group(head, network_rows(list(progress.running)), behind)


def _study_line(progress: StudyProgress, seconds: float) -> str:
    running = "; ".join(f"{label}: {progress_line(status)}" for label, status in progress.running)
    behind = "".join(f" ({line})" for line in progress.behind[:MOST_TASKS])
    head = f"{progress.stage}: {progress.done} of {progress.total} networks, {time_left(seconds, _study_share(progress))}"
    return head + (f" [{running}]" if running else "") + behind


def _study_share(progress: StudyProgress) -> float:
    """Return the finished fraction of a study: finished networks, plus the used budgets of running ones (most stop early)."""
    return min(1.0, (progress.done + sum(status.share for _, status in progress.running)) / max(1, progress.total))
