"""`polytask verdict`: the verdict on predictions of any program."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from polytask.cli.generate_command import command_with, keyword, option_parameters
from polytask.cli.import_options import ImportPaths
from polytask.cli.run_output import Overwrite, overwritten
from polytask.options import VerdictConfig, checked, fields_of

_FILE = "Predictions (.csv, .tsv, also gzipped, or .parquet) with the columns arm, seed, task, unit, target, prediction; or a run folder."
_OUT = "Folder to write verdict.json and report.html to. Default: nothing is written."
_OFFERED = tuple(("", field) for field in fields_of(VerdictConfig) if not field.flag.hidden)


def _verdict(sections: Mapping[str, dict[str, Any]], given: Mapping[str, Any]) -> None:
    """Say from predictions whether training together helps, for models of any program.

    Reads the predictions of every arm (one model per task, and the joint
    ones), seed, task and test unit, and prints the advice, and for each task
    and the mean over tasks the verdict: helps, hurts, same or unclear, with a
    95 % confidence interval. In a run folder of polytask, the options of the
    run are the defaults.
    """
    from rich.console import Console
    from rich.markup import escape

    from polytask.report import write_report
    from polytask.report.terminal.study_terminal import verdict_summary
    from polytask.studies.predictions.judge_predictions import judge_predictions
    from polytask.studies.predictions.stored_options import stored_options
    from polytask.studies.setup.run_folder import RunFolder

    path, out = given["file"], given["out"]
    stored = stored_options(RunFolder(path)) if path.is_dir() else {}
    config = checked(VerdictConfig, {**stored, **sections[""]}, where="verdict")
    judged = judge_predictions(path, config)
    console = Console()
    kinds = f"Kinds: {', '.join(f'{task} {kind}' for task, kind in judged.kinds.items())}"
    if out is None:
        console.print(verdict_summary(judged.summary))
        console.print(escape(kinds), highlight=False)
        return
    folder = RunFolder(out)
    with overwritten(out, [path]) if given["overwrite"] else nullcontext(), folder.alone():
        folder.check_empty()
        judged.write(folder)
    page = write_report(out)
    console.print(verdict_summary(judged.summary))
    console.print(escape(kinds), highlight=False)
    console.print(f"Everything is in {out}; the report is {page}", soft_wrap=True)


verdict_command = command_with(
    [
        keyword("file", Annotated[Path, typer.Argument(help=_FILE)]),
        keyword("out", Annotated[Path | None, typer.Option("--out", "-o", help=_OUT)], None),
        keyword("overwrite", Overwrite, default=False),
        *option_parameters(_OFFERED),
        keyword("import_path", ImportPaths, None),
    ],
    _OFFERED,
    _verdict,
    _verdict,
)
