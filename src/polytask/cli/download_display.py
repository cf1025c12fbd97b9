"""Progress display of downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from polytask.cli.interrupts import explain_interrupt


@contextmanager
def download_display(*, quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a progress bar per file on a terminal, or a line per file elsewhere; on Ctrl-C, report what is kept.

    Args:
        quiet: Show nothing.

    Yields:
        A function of the file name, the bytes done, and the bytes in total (`None` if unknown).
    """
    from polytask.datasets.dataset_cache import cache_folder

    with (
        explain_interrupt(f"Downloaded data are kept in {cache_folder()}; run the same command again to resume"),
        _display(quiet=quiet) as progress,
    ):
        yield progress


@contextmanager
def _display(*, quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console()
    if quiet or not console.is_terminal:
        begun: set[str] = set()

        def line(name: str, done: int, total: int | None) -> None:
            del done
            if not quiet and name not in begun:
                begun.add(name)
                typer.echo(f"fetching {name}" + (f", {total:,} bytes" if total else ""))

        yield line
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console) as bars:
        tasks: dict[str, object] = {}

        def bar(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done, total=total)  # type: ignore[arg-type]

        yield bar
