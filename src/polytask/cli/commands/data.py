"""`polytask data`: the built-in data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.cli.download_display import download_display
from polytask.registry import find, specs_of

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="A built-in data set: see polytask data list.")]
Size = Annotated[str | None, typer.Option(help="sample or full; by default the first that there is.")]


@app.command("list")
def list_command() -> None:
    """Name every built-in data set."""
    for row in specs_of("data set"):
        typer.echo(f"{row.name}: {row.summary}")


@app.command("describe")
def describe_command(name: Name, size: Size = None) -> None:
    """Say what a data set holds, where it comes from, and where its files are."""
    find("data set", name)
    from polytask.datasets import get_dataset
    from polytask.datasets.dataset_cache import data_folders, find_local_file

    chosen = get_dataset(name, size)
    for key, value in chosen.describe().items():
        typer.echo(f"{key}: {value}")
    found = [file for file in chosen.files if find_local_file(file) is not None]
    typer.echo(f"full data: {len(found)} of {len(chosen.files)} files found in {', '.join(map(str, data_folders()))}")


@app.command("fetch")
def fetch_command(name: Name, quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False) -> None:
    """Look for the full data, check them, and download what is not there."""
    find("data set", name)
    from polytask.datasets import get_dataset
    from polytask.datasets.dataset_cache import fetch_dataset_files as fetch_files
    from polytask.datasets.dataset_cache import find_local_file

    chosen = get_dataset(name, "full")
    there = {file for file in chosen.files if find_local_file(file) is not None}
    with download_display(quiet=quiet) as progress:
        found = fetch_files(chosen.files, progress)
    for file, path in found.items():
        if not quiet:
            typer.echo(f"{path} ({'was there' if file in there else 'fetched'}, checksum right)")
