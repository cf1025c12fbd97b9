"""`polytask schema`: print the JSON schema of study files."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema_command(
    train: Annotated[bool, typer.Option("--train", help="Print the schema of files for polytask train instead.")] = False,
) -> None:
    """Print the JSON schema of study files, for editors that complete and validate them."""
    from polytask.options import StudyConfig, TrainConfig

    typer.echo(json.dumps((TrainConfig if train else StudyConfig).model_json_schema(), indent=2))
