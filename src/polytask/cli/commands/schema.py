"""`polytask schema_command`: what may stand in a study file."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema_command(train: Annotated[bool, typer.Option("--train", help="Of a file for polytask train.")] = False) -> None:
    """Print the JSON schema of study files, for editors that complete and check them."""
    from polytask.options import StudyConfig, TrainConfig

    typer.echo(json.dumps((TrainConfig if train else StudyConfig).model_json_schema(), indent=2))
