"""`polytask predict_command`: a trained model's answers for a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.imports import AllowImports, ImportPaths


def predict_command(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run on tables.")],
    table: Annotated[Path, typer.Argument(help="A CSV or Parquet file with the columns of training.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where predictions go: .csv or .parquet.")],
    proba: Annotated[bool, typer.Option("--proba", help="Add a column per class with its probability.")] = False,
    source: Annotated[str | None, typer.Option(help="Which table of the run this one is like, where it had several.")] = None,
    import_path: ImportPaths = None,
    allow_imports: AllowImports = False,
) -> None:
    """Predict every row of a table, in original labels and units."""
    from polytask.artifacts.table_model import SavedTableModel
    from polytask.errors import StorageError

    if out.exists():
        raise StorageError("this file exists already", where=str(out), remedy="Choose another --out, or delete it")
    for note in SavedTableModel(run, source, None if allow_imports else ()).predict(table, out, probabilities=proba):
        typer.echo(f"note: {note}")
    typer.echo(f"Predictions are in {out}")
