"""`polytask study`: compare joint training with single-task training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polytask.cli.build_config import run_name
from polytask.cli.download_display import download_display
from polytask.cli.generate_command import generated_command
from polytask.cli.interrupts import InterruptedRunError, explain_interrupt
from polytask.cli.run_output import RunOutput, unless_finished
from polytask.options import StudyConfig, checked

if TYPE_CHECKING:
    from rich.console import Console


def _study(config: dict[str, Any], output: RunOutput) -> None:
    """Compare joint training with single-task training, and recommend what to use.

    Trains every arm (a method of training) with several seeds, and opens the
    test data only at the planned looks. The advice says whether to train
    together or separately. The verdict says for each task, and for the mean
    over tasks, whether joint training helps, hurts, makes no difference (same)
    or is unclear, with a 95 % confidence interval. The run folder holds the
    report, the predictions, all metrics and the recommended model.
    """
    start_study(config, output, run_name(config))


def start_study(config: dict[str, Any], output: RunOutput, name: str) -> None:
    """Run a study, and print its result.

    Args:
        config: Configuration of the study.
        output: Where to write the run.
        name: Name of the default folder in `runs`.
    """
    from rich.console import Console

    from polytask.cli.data_notes import print_data_notes
    from polytask.cli.progress_display import study_display
    from polytask.studies import Study, load_data
    from polytask.studies.setup.run_folder import RunFolder

    with download_display(quiet=output.quiet) as progress:
        data = load_data(checked(StudyConfig, config, where="study", imports=True), progress)
    study = Study(data.sources, data.tasks, config=data.config)
    console = Console()
    print_data_notes(console, data, quiet=output.quiet)
    if study.config.dry_run:
        console.print(str(study.estimate()), soft_wrap=True)
        return
    with output.folder(name, study.config, continues=study.config.more_seeds is not None) as folder:
        kept = f"Finished networks are kept in {folder}; run the same command again to resume"
        try:
            with unless_finished(folder), explain_interrupt(kept), study_display(console, quiet=output.quiet) as progress:
                study.run(folder, progress)
        except InterruptedRunError:
            kept_run = RunFolder(folder)
            if kept_run.unfinished.exists() and kept_run.verdict.exists():  # the last completed look is the result of a stopped study
                _show_result(console, folder)
            raise
    _show_result(console, folder)


def _show_result(console: Console, folder: Path) -> None:
    """Write the report of a run folder, and print its verdict."""
    from polytask.report import write_report
    from polytask.report.terminal.study_terminal import verdict_summary
    from polytask.run_files import CostFile, VerdictFile

    page = write_report(folder)
    console.print(verdict_summary(VerdictFile.read(folder / "verdict.json"), CostFile.read(folder / "cost.json"), str(folder)))
    console.print(f"Everything is in {folder}; the report is {page}", soft_wrap=True)


study_command = generated_command(StudyConfig, _study, "runs/NAME (NAME: the source), or runs/NAME-2, … if it is taken")
