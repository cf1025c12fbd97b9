"""The command line as a whole: its commands, its exit codes, and what it says when something goes wrong."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from polytask.cli.data import app as data_app
from polytask.cli.evaluate import evaluate
from polytask.cli.generated import offered_fields, takes_several_words
from polytask.cli.interrupt import InterruptedRunError
from polytask.cli.methods import methods
from polytask.cli.predict import predict
from polytask.cli.relate import relate
from polytask.cli.report import report
from polytask.cli.schema import schema
from polytask.cli.study import study
from polytask.cli.table_source import spread
from polytask.cli.train import train
from polytask.errors import PolytaskError
from polytask.options import RelateConfig, StudyConfig, TrainConfig

SEVERAL = frozenset(
    field.flag.option(field.name)
    for config in (StudyConfig, TrainConfig, RelateConfig)
    for _, field in offered_fields(config)
    if takes_several_words(field)
)
"""Options that are followed by any number of words."""

DONE, USER_CAN_MEND, BUG, INTERRUPTED = 0, 2, 70, 130

app = typer.Typer(
    name="polytask",
    help="Trains several tasks together, and tells you whether you should.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("study", no_args_is_help=True)(study)
app.command("train", no_args_is_help=True)(train)
app.command("predict", no_args_is_help=True)(predict)
app.command("evaluate", no_args_is_help=True)(evaluate)
app.command("relate", no_args_is_help=True)(relate)
app.command("schema")(schema)
app.command("methods")(methods)
app.command("report", no_args_is_help=True)(report)
app.add_typer(data_app, name="data", help="Built-in data sets: list, describe, fetch.", no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        from polytask import __version__

        typer.echo(f"polytask {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),  # noqa: FBT003
) -> None:
    """Trains several tasks together, and tells you whether you should."""


def main() -> None:
    """Run the command line, and leave with 0 (done), 2 (the user can mend it), 70 (a bug) or 130 (interrupted)."""
    try:
        app(spread(sys.argv[1:], SEVERAL))
    except PolytaskError as error:
        _say(f"error: {error}")
        sys.exit(USER_CAN_MEND)
    except InterruptedRunError as interrupt:
        _say(f"interrupted. {interrupt}")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe has left (`polytask methods | head`): nothing is wrong, and nothing can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a short text instead of a traceback
        _say(f"This is a bug in polytask, not a fault of yours: {type(error).__name__}: {_one_line(error)}")
        _say(f"Please report it with the file {_bug_report()}")
        sys.exit(BUG)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _bug_report() -> Path:
    handle, name = tempfile.mkstemp(prefix="polytask-bug-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    return Path(name)
