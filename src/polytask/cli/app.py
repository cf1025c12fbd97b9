"""Entry point of the command line: commands, exit codes and error messages."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from polytask.cli.commands.curve import curve_command
from polytask.cli.commands.data import app as data_app
from polytask.cli.commands.demo import demo_command
from polytask.cli.commands.evaluate import evaluate_command
from polytask.cli.commands.init import init_command
from polytask.cli.commands.methods import methods_command
from polytask.cli.commands.predict import predict_command
from polytask.cli.commands.relate import relate_command
from polytask.cli.commands.report import report_command
from polytask.cli.commands.schema import schema_command
from polytask.cli.commands.study import study_command
from polytask.cli.commands.train import train_command
from polytask.cli.commands.verdict import verdict_command
from polytask.cli.generate_command import offered_fields, takes_several_words
from polytask.cli.interrupts import InterruptedRunError, exit_code, handled_signals
from polytask.cli.lasting_output import make_output_lasting
from polytask.cli.table_source import spread
from polytask.cli.user_code_errors import users_line
from polytask.errors import PolytaskError, is_out_of_memory
from polytask.options import CurveConfig, RelateConfig, StudyConfig, TrainConfig, VerdictConfig, fields_of

_CONFIGS = (StudyConfig, TrainConfig, RelateConfig, CurveConfig)
_FIELDS = (*(field for config in _CONFIGS for _, field in offered_fields(config)), *fields_of(VerdictConfig))
SEVERAL = frozenset(field.flag.option(field.name) for field in _FIELDS if takes_several_words(field))
"""Options that take any number of values."""

EXIT_OK, EXIT_USER_ERROR, EXIT_BUG, EXIT_MEMORY = 0, 2, 70, 71

app = typer.Typer(
    name="polytask",
    help="Train several tasks together with PyTorch, and find out whether you should.\n\n"
    "First study:           polytask demo\n"
    "With your own table:   polytask study sales.csv --targets churn value\n"
    "With a study file:     polytask init sales.csv, polytask study study.yaml\n"
    "Options of a command:  polytask COMMAND --help",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo_command)
app.command("init", no_args_is_help=True)(init_command)
app.command("study", no_args_is_help=True)(study_command)
app.command("train", no_args_is_help=True)(train_command)
app.command("predict", no_args_is_help=True)(predict_command)
app.command("evaluate", no_args_is_help=True)(evaluate_command)
app.command("relate", no_args_is_help=True)(relate_command)
app.command("curve", no_args_is_help=True)(curve_command)
app.command("verdict", no_args_is_help=True)(verdict_command)
app.command("schema")(schema_command)
app.command("methods")(methods_command)
app.command("report", no_args_is_help=True)(report_command)
app.add_typer(data_app, name="data", help="List, describe or download built-in data sets.", no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from polytask import __version__

        typer.echo(f"polytask {__version__}")
        raise typer.Exit


@app.callback()
def _main_callback(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."),  # noqa: FBT003
) -> None:
    """Train several tasks together with PyTorch, and find out whether you should."""


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 success, 2 user error (the message says how to fix it), 70 bug in polytask, 71 out of memory, 129, 130 or 143
    ended by SIGHUP, Ctrl-C or SIGTERM.
    """
    make_output_lasting()
    try:
        with handled_signals():
            app(spread(sys.argv[1:], SEVERAL))
    except PolytaskError as error:
        _write_error(f"error: {error}")
        sys.exit(EXIT_USER_ERROR)
    except InterruptedRunError as interrupt:
        _write_error(f"interrupted. {interrupt}")
        sys.exit(exit_code())
    except BrokenPipeError:
        # The reader of the pipe has exited (`polytask methods | head`), which is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_OK)
    except Exception as error:  # noqa: BLE001 - users see a short text instead of a traceback
        if is_out_of_memory(error):
            remedy = "Use a smaller --batch-size or network, more --micro-batches, or fewer --workers"
            _write_error(f"error: there is not enough memory: {_single_line(error)}. {remedy}.")
            sys.exit(EXIT_MEMORY)
        place = users_line(error)
        if place:
            _write_error(
                f"error: {place}: {type(error).__name__}: {_single_line(error)}. The traceback is in the file {_write_bug_report()}"
            )
            sys.exit(EXIT_USER_ERROR)
        _write_error(f"This is a bug in polytask, not a mistake of yours: {type(error).__name__}: {_single_line(error)}")
        _write_error(f"Please report it, and attach the file {_write_bug_report()}")
        sys.exit(EXIT_BUG)


def _write_error(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _single_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _write_bug_report() -> Path:
    handle, name = tempfile.mkstemp(prefix="polytask-bug-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    return Path(name)
