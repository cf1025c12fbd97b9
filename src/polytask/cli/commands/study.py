"""`polytask study`: compare joint training with single-task training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.cli.build_config import run_name
from polytask.cli.download_display import download_display
from polytask.cli.generate_command import generated_command
from polytask.cli.interrupts import explain_interrupt
from polytask.options import StudyConfig, checked


def _study(config: dict[str, Any], out: Path | None, quiet: bool) -> None:
    """Compare joint training with single-task training, and recommend what to use.

    Trains every arm (a method of training) with several seeds, and uses the
    test data only at the end. The verdict says for each task whether joint
    training helps, hurts, makes no difference (same) or is unclear, with a
    95 % confidence interval. The run folder holds the report, the predictions,
    all metrics and the recommended model.
    """
    from rich.console import Console

    from polytask.cli.data_notes import print_data_notes
    from polytask.cli.progress_display import study_display
    from polytask.report import write_report
    from polytask.report.terminal.study_terminal import verdict_summary
    from polytask.run_files import CostFile
    from polytask.studies import Study, load_data

    folder = out or Path("runs") / run_name(config)
    with download_display(quiet=quiet) as progress:
        data = load_data(checked(StudyConfig, config, where="study", imports=True), progress)
    study = Study(data.sources, data.tasks, config=data.config)
    console = Console()
    print_data_notes(console, data, quiet=quiet)
    kept = f"Finished networks are kept in {folder}; run the same command again to resume"
    with explain_interrupt(kept), study_display(console, quiet=quiet) as progress:
        result = study.run(folder, progress)
    page = write_report(result.folder)
    console.print(verdict_summary(result.summary, CostFile.read(result.folder / "cost.json"), str(result.folder)))
    console.print(f"Everything is in {result.folder}; the report is {page}", soft_wrap=True)


study_command = generated_command(StudyConfig, _study, "runs/NAME, with the name of the source")
