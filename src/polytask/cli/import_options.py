"""Options for importing user-defined components."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.registry import add_import_path


def _add(folders: list[str] | None) -> list[str] | None:
    """Add folders from which components may be imported."""
    for folder in folders or ():
        add_import_path(folder)
    return folders


ImportPaths = Annotated[
    list[str] | None,
    typer.Option("--import-path", callback=_add, help="Folder with your own components (package.module:Name); searched last. Repeatable."),
]
AllowImports = Annotated[
    bool,
    typer.Option("--allow-imports", help="Follow import paths in a run.yaml or a saved model too. Use it only for files that you trust."),
]
