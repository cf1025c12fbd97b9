"""The options that say where components of the user's own come from."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.registry import add_import_path


def _add(folders: list[str] | None) -> list[str] | None:
    """Let components be imported from the folders that are named."""
    for folder in folders or ():
        add_import_path(folder)
    return folders


ImportPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--import-path", callback=_add, help="A folder with components of your own (package.module:Name); searched last. Repeatable."
    ),
]
AllowImports = Annotated[
    bool,
    typer.Option("--allow-imports", help="Follow import paths in a run.yaml or a model too: only in files that you trust."),
]
