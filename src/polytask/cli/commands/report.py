"""`polytask report_command`: build a run folder's page again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_command(run: Annotated[Path, typer.Argument(help="A run folder of polytask study or polytask relate.")]) -> None:
    """(Re)build report.html from the files of a run folder."""
    from polytask.report import write_report

    typer.echo(str(write_report(run)))
