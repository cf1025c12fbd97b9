"""`polytask train`: train one network for all tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.cli.fetching import fetching_display
from polytask.cli.generated import generated_command
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.merging import name_of
from polytask.options import TrainConfig, checked


def _train(config: dict[str, Any], out: Path | None, quiet: bool) -> None:
    """Train one network for all tasks until it has converged. Test data are not opened."""
    from rich.console import Console
    from rich.markup import escape

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import training_display
    from polytask.study import opened, train_one

    folder = out or Path("runs") / f"train-{name_of(config)}"
    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(TrainConfig, config, where="train", imports=True), progress)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"The state is kept in {folder}; the same command goes on there"
    with says_what_is_kept(kept), training_display(console, quiet=quiet) as watch:
        trained = train_one(data.config, data.sources, data.tasks, folder, watch)
    for task, metrics in trained.validation.items():
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        console.print(f"{escape(task)} (validation): {values}", highlight=False, soft_wrap=True)
    if trained.facts["matched"]:
        console.print(f"weights file: {escape(trained.facts['matched'])}", soft_wrap=True)
    console.print(f"Everything is in {trained.folder}", soft_wrap=True)


train = generated_command(TrainConfig, _train, "runs/train- and the name of the source")
