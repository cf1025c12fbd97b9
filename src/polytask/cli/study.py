"""`polytask study`: compare joint training with single-task training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.cli.fetching import fetching_display
from polytask.cli.generated import generated_command
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.merging import name_of
from polytask.options import StudyConfig, checked


def _study(config: dict[str, Any], out: Path | None, quiet: bool) -> None:
    """Train the arms, compare them with single-task training, and say what to ship."""
    from rich.console import Console

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import study_display
    from polytask.report import write_report
    from polytask.report.terminal import verdict_table
    from polytask.storage import read_json
    from polytask.study import Study, opened

    folder = out or Path("runs") / name_of(config)
    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(StudyConfig, config, where="study", imports=True), progress)
    study = Study(data.sources, data.tasks, config=data.config)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"Finished networks are kept in {folder}; the same command goes on there"
    with says_what_is_kept(kept), study_display(console, quiet=quiet) as watch:
        result = study.run(folder, watch)
    page = write_report(result.folder)
    console.print(verdict_table(result.summary, read_json(result.folder / "cost.json")))
    console.print(f"Everything is in {result.folder}; the report is {page}", soft_wrap=True)


study = generated_command(StudyConfig, _study, "runs/ and the name of the source")
