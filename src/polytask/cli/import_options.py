"""Options for importing user-defined components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from polytask.errors import ConfigError
from polytask.registry import add_import_path
from polytask.registry.function_paths import function_at


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


def component_classes(paths: list[str] | None) -> tuple[Callable[..., Any], ...]:
    """Import the classes, and the functions that make networks, that a user names with `--component`.

    Raises:
        ConfigError: A text is no import path, or there is nothing of this name.
    """
    for path in paths or ():
        if path.count(":") != 1:
            remedy = "Registered names need no --component"
            raise ConfigError("an import path package.module:Name is needed", where="--component", found=repr(path), remedy=remedy)
    return tuple(function_at(path, "--component") for path in paths or ())
