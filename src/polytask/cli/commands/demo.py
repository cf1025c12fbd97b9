"""`polytask demo`: the study of the data that ship with polytask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.build_config import merged
from polytask.cli.commands.study import start_study
from polytask.cli.run_output import Overwrite, Quiet, RunOutput

SOURCE = "mnist-fashion"


def demo_command(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write the run to. Default: runs/demo, or runs/demo-2, … if it is taken.")
    ] = None,
    overwrite: Overwrite = False,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Set an option of the study, as NAME=VALUE. Repeatable. Example: seeds=2.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run a first study: MNIST and Fashion-MNIST, separately and together.

    Takes a few minutes, prints the advice, and writes a report. The same as
    polytask study mnist-fashion, on a sample that ships with polytask.
    """
    start_study(merged(SOURCE, {}, assign or ()), RunOutput(out, overwrite, quiet), "demo")
