"""`polytask data`: list, describe or download built-in data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.cli.download_display import download_display
from polytask.registry import find, specs_of

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of a built-in data set; see polytask data list.")]
Size = Annotated[str | None, typer.Option(help="Size of the data set: sample or full. Default: the smallest available.")]


@app.command("list")
def list_command() -> None:
    """List the built-in data sets: what each holds, and which sizes are here or can be fetched."""
    from polytask.datasets import get_dataset
    from polytask.datasets.dataset_cache import find_local_file

    for row in specs_of("data set"):
        chosen = get_dataset(row.name)
        here = sum(find_local_file(file) is not None for file in chosen.files)
        typer.echo(f"{row.name}: {row.summary}")
        full = "here" if here == len(chosen.files) else f"polytask data fetch {row.name}"
        if here < len(chosen.files) and not all(file.mirrors for file in chosen.files):
            full = "its files belong in a folder that POLYTASK_DATA names; see docs/datasets.md"
        places = {"sample": "ships with polytask", "full": full}
        typer.echo(f"    {'; '.join(f'{size}: {places[size]}' for size in chosen.sizes)}")


@app.command("describe")
def describe_command(name: Name, size: Size = None) -> None:
    """Describe a data set: its content, its origin, and where its files are."""
    find("data set", name)
    from polytask.datasets import get_dataset
    from polytask.datasets.dataset_cache import data_folders, find_local_file

    chosen = get_dataset(name, size)
    for key, value in chosen.describe().items():
        typer.echo(f"{key}: {value}")
    found = [file for file in chosen.files if find_local_file(file) is not None]
    typer.echo(f"full data: {len(found)} of {len(chosen.files)} files found in {', '.join(map(str, data_folders()))}")


@app.command("fetch")
def fetch_command(name: Name, quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False) -> None:
    """Download the full data of a data set, unless they are already present, and verify their checksums."""
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
            typer.echo(f"{path} ({'already present' if file in there else 'downloaded'}, checksum verified)")
