"""`polytask train`: train one network for all tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polytask.cli.build_config import run_name
from polytask.cli.download_display import download_display
from polytask.cli.generate_command import generated_command
from polytask.cli.interrupts import explain_interrupt
from polytask.cli.run_output import RunOutput
from polytask.options import TrainConfig, checked

if TYPE_CHECKING:
    from rich.console import Console

    from polytask.studies.choice_run import ChoiceResult


def _train(config: dict[str, Any], output: RunOutput) -> None:
    """Train one network for all tasks, with early stopping.

    Prints the validation metrics. The run folder holds the training history
    and the model, for polytask predict and polytask evaluate. The test data
    are not used.
    """
    from rich.console import Console
    from rich.markup import escape

    from polytask.cli.data_notes import print_data_notes
    from polytask.cli.progress_display import training_display
    from polytask.options.values.component_names import AUTO
    from polytask.studies import load_data, train_network
    from polytask.studies.choice_run import train_choice
    from polytask.studies.results.source_buffer_notes import source_buffer_notes

    with download_display(quiet=output.quiet) as progress:
        data = load_data(checked(TrainConfig, config, where="train", imports=True), progress)
    console = Console()
    print_data_notes(console, data, quiet=output.quiet)
    with output.folder(f"train-{run_name(config)}", data.config) as folder:
        if data.config.model == AUTO:
            _report_choice(console, train_choice(data.config, data.sources, data.tasks, folder))
            return
        kept = f"The training state is kept in {folder}; run the same command again to resume"
        with explain_interrupt(kept), training_display(console, quiet=output.quiet) as progress:
            trained = train_network(data.config, data.sources, data.tasks, folder, progress)
    for task, metrics in trained.validation.items():
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        console.print(f"{escape(task)} (validation): {values}", highlight=False, soft_wrap=True)
    for sentence in trained.failed_steps.sentences(above=0.0):
        console.print(f"Warning: {sentence}", style="yellow", highlight=False, soft_wrap=True)
    for note in source_buffer_notes([trained.facts]):
        console.print(escape(note), highlight=False, soft_wrap=True)
    if trained.facts["matched"]:
        console.print(f"weights file: {escape(trained.facts['matched'])}", soft_wrap=True)
    console.print(f"Everything is in {trained.folder}", soft_wrap=True)


def _report_choice(console: Console, chosen: ChoiceResult) -> None:
    """Print what was chosen for each target, and its metrics out of fold."""
    from rich.markup import escape

    for sentence in chosen.sentences():
        console.print(escape(sentence), highlight=False, soft_wrap=True)
    for task, metrics in chosen.validation.items():
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        console.print(f"{escape(task)} (out of fold): {values}", highlight=False, soft_wrap=True)
    console.print(f"Everything is in {chosen.folder}", soft_wrap=True)


train_command = generated_command(TrainConfig, _train, "runs/train-NAME (NAME: the source), or runs/train-NAME-2, … if it is taken")
