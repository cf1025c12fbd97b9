"""`polytask curve`: compare joint and single-task training at several shares of the labels."""

from __future__ import annotations

from typing import Any

from polytask.cli.build_config import own_choices, run_name
from polytask.cli.download_display import download_display
from polytask.cli.generate_command import generated_command
from polytask.cli.interrupts import explain_interrupt
from polytask.cli.run_output import RunOutput, unless_finished
from polytask.options import CurveConfig, RelateConfig, StudyConfig, TrainConfig, checked


def _curve(config: dict[str, Any], output: RunOutput) -> None:
    """Compare joint and single-task training at several shares of the labels.

    Runs a study per share, with the same seeds and nested labels. Says for
    every task and share whether joint training helps, hurts, makes no
    difference (same) or is unclear, and how many labels it needs for the
    error of single-task training, with 95 % intervals.
    """
    from rich.console import Console

    from polytask.cli.data_notes import print_data_notes
    from polytask.cli.progress_display import study_display
    from polytask.report import write_report
    from polytask.report.terminal.curve_terminal import curve_summary
    from polytask.run_files import CurveFile
    from polytask.studies import load_data, measure_curve

    with download_display(quiet=output.quiet) as progress:
        own = own_choices(config, CurveConfig, (StudyConfig, TrainConfig, RelateConfig))
        data = load_data(checked(CurveConfig, own, where="curve", imports=True), progress)
    console = Console()
    print_data_notes(console, data, quiet=output.quiet)
    with output.folder(f"curve-{run_name(config)}", data.config) as folder:
        kept = f"Finished networks are kept in {folder}; run the same command again to resume"
        with unless_finished(folder), explain_interrupt(kept), study_display(console, quiet=output.quiet) as progress:
            measure_curve(data.sources, data.tasks, config=data.config, out=folder, progress=progress)
    page = write_report(folder)
    console.print(curve_summary(CurveFile.read(folder / "curve.json")))
    console.print(f"Everything is in {folder}; the report is {page}", soft_wrap=True)


curve_command = generated_command(CurveConfig, _curve, "runs/curve-NAME (NAME: the source), or runs/curve-NAME-2, … if it is taken")
