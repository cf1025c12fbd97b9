"""`polytask relate`: measure which tasks to train together."""

from __future__ import annotations

from typing import Any

from polytask.cli.build_config import own_choices, run_name
from polytask.cli.download_display import download_display
from polytask.cli.generate_command import generated_command
from polytask.cli.interrupts import explain_interrupt
from polytask.cli.run_output import RunOutput, unless_finished
from polytask.options import RelateConfig, StudyConfig, TrainConfig, checked


def _relate(config: dict[str, Any], output: RunOutput) -> None:
    """Measure how related the tasks are, and propose which to train together.

    Prints a matrix per measure of relatedness and the proposed groups, and
    writes them to the run folder. The test data are not used: to test a
    proposal, run polytask study.
    """
    from rich.console import Console

    from polytask.cli.data_notes import print_data_notes
    from polytask.cli.progress_display import study_display
    from polytask.report import write_report
    from polytask.report.terminal.relate_terminal import relate_summary
    from polytask.run_files import CostFile, RelateFile
    from polytask.studies import load_data, relate_tasks

    with download_display(quiet=output.quiet) as progress:
        own = own_choices(config, RelateConfig, (StudyConfig, TrainConfig))
        data = load_data(checked(RelateConfig, own, where="relate", imports=True), progress)
    console = Console()
    print_data_notes(console, data, quiet=output.quiet)
    with output.folder(f"relate-{run_name(config)}", data.config) as folder:
        kept = f"Finished networks are kept in {folder}; run the same command again to resume"
        with unless_finished(folder), explain_interrupt(kept), study_display(console, quiet=output.quiet) as progress:
            relate_tasks(data.sources, data.tasks, config=data.config, out=folder, progress=progress)
    page = write_report(folder)
    console.print(relate_summary(RelateFile.read(folder / "relate.json"), CostFile.read(folder / "cost.json")))
    console.print(f"Everything is in {folder}; the report is {page}", soft_wrap=True)


relate_command = generated_command(RelateConfig, _relate, "runs/relate-NAME (NAME: the source), or runs/relate-NAME-2, … if it is taken")
