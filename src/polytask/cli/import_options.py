"""Options for importing user-defined components."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.errors import ConfigError
from polytask.registry import add_import_path
from polytask.registry.importing import is_import_path
from polytask.registry.registered import class_at


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
    typer.Option("--allow-imports", help="Follow import paths in a run.yaml too. Use it only for files that you trust."),
]
ComponentPaths = Annotated[
    list[str] | None,
    typer.Option("--component", help="Your own component that the saved model needs (package.module:Name). Repeatable."),
]


def component_classes(paths: list[str] | None) -> tuple[type, ...]:
    """Import the classes that a user names with `--component`.

    Raises:
        ConfigError: A text is no import path, or the class cannot be imported.
    """
    for path in paths or ():
        if not is_import_path(path):
            remedy = "Registered names need no --component"
            raise ConfigError("an import path package.module:Name is needed", where="--component", found=repr(path), remedy=remedy)
    return tuple(class_at(path, "--component") for path in paths or ())
