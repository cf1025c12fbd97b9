"""`polytask report`: rebuild the report of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder of polytask study, polytask relate, polytask curve or polytask verdict.")],
) -> None:
    """Rebuild report.html from the files of a run folder."""
    from polytask.report import write_report

    typer.echo(str(write_report(run)))
