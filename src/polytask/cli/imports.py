"""The options that say where components of the user's own come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from polytask.registry import add_import_path

ImportPaths = Annotated[
    list[str] | None,
    typer.Option("--import-path", help="A folder with components of your own (package.module:Name); searched last. Repeatable."),
]
AllowImports = Annotated[
    bool,
    typer.Option("--allow-imports", help="Follow import paths in a run.yaml or a model too: only in files that you trust."),
]


def use_import_paths(folders: Sequence[str] | None) -> None:
    """Let components be imported from these folders.

    Raises:
        ConfigError: One does not exist.
    """
    for folder in folders or ():
        add_import_path(folder)
