"""`polytask predict`: predict a table with a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.import_options import ComponentPaths, ImportPaths, component_classes


def predict_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run on tables.")],
    table: Annotated[Path, typer.Argument(help="Table (CSV, TSV, Parquet) with the input columns of the training table.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write the predictions to (.csv or .parquet).")],
    proba: Annotated[bool, typer.Option("--proba", help="Add a column with the probability of each class.")] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Column of the table to copy in front of the predictions. Repeatable. The identifiers of training are copied."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Table of the run whose columns this one has. Needed if the run has several tables.")
    ] = None,
    import_path: ImportPaths = None,
    component: ComponentPaths = None,
    device: Annotated[
        str, typer.Option(help="Device on which the model predicts: cpu, an accelerator such as cuda or mps, or auto.")
    ] = "cpu",
) -> None:
    """Predict every row of a table with a trained model, in original labels and units."""
    from polytask.artifacts.table_model import SavedTableModel
    from polytask.errors import StorageError

    if out.exists():
        raise StorageError("this file exists already", where=str(out), remedy="Choose another --out, or delete it")
    model = SavedTableModel(run, source, component_classes(component), device)
    for note in model.predict(table, out, probabilities=proba, keep=keep or ()):
        typer.echo(f"note: {note}")
    typer.echo(f"Predictions written to {out}")
