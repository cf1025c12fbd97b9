"""`polytask relate`: measure which tasks belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.cli.fetching import fetching_display
from polytask.cli.generated import generated_command
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.merging import name_of
from polytask.options import RelateConfig, StudyConfig, TrainConfig, checked


def _relate(config: dict[str, Any], out: Path | None, quiet: bool) -> None:
    """Measure how related the tasks are, and propose which to train together. Test data are not opened."""
    from rich.console import Console

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import study_display
    from polytask.report import write_report
    from polytask.report.relations_terminal import relations_table
    from polytask.storage import read_json
    from polytask.study import opened
    from polytask.study import relate as measure

    folder = out or Path("runs") / f"relate-{name_of(config)}"
    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(RelateConfig, _own_choices(config), where="relate", imports=True), progress)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"Finished networks are kept in {folder}; the same command goes on there"
    with says_what_is_kept(kept), study_display(console, quiet=quiet) as watch:
        related = measure(data.sources, data.tasks, config=data.config, out=folder, watch=watch)
    page = write_report(related.folder)
    console.print(relations_table(related.summary, read_json(related.folder / "cost.json")))
    console.print(f"Everything is in {related.folder}; the report is {page}", soft_wrap=True)


def _own_choices(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out the choices of studies and training, such as arms, that a file may hold; what nobody knows stays, and is refused."""
    elsewhere = (StudyConfig.model_fields.keys() | TrainConfig.model_fields.keys()) - RelateConfig.model_fields.keys()
    return {name: value for name, value in config.items() if name not in elsewhere}


relate = generated_command(RelateConfig, _relate, "runs/relate- and the name of the source")
