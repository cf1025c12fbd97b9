"""`polytask report`: rebuild the report of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.interrupts import explain_interrupt


def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder of polytask study, polytask relate, polytask curve or polytask verdict.")],
    watch: Annotated[bool, typer.Option("--watch", help="Rebuild it whenever a file of the run changes, until Ctrl-C.")] = False,
) -> None:
    """Rebuild report.html from the files of a run folder. With --watch, the page of a run that is not finished shows its log."""
    if not watch:
        from polytask.report import write_report

        typer.echo(str(write_report(run)))
        return
    from polytask.report.watch_run import watch_run

    with explain_interrupt(f"The last page is {run / 'report.html'}"):
        for line in watch_run(run):
            typer.echo(line)
