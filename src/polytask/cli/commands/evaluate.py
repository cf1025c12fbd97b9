"""`polytask evaluate`: evaluate a trained model on a table with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.import_options import ComponentPaths, ImportPaths, component_classes


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run on tables.")],
    table: Annotated[Path, typer.Argument(help="Table (CSV, TSV, Parquet) with the input and target columns of the training table.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write the metrics to.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Table of the run whose columns this one has. Needed if the run has several tables.")
    ] = None,
    import_path: ImportPaths = None,
    component: ComponentPaths = None,
    device: Annotated[
        str, typer.Option(help="Device on which the model predicts: cpu, an accelerator such as cuda or mps, or auto.")
    ] = "cpu",
) -> None:
    """Evaluate a trained model on a table with labels.

    Each target is evaluated on the rows that have a label for it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from polytask.artifacts.table_model import SavedTableModel
    from polytask.errors import StorageError
    from polytask.storage import write_text
    from polytask.storage.csv_table import csv_text
    from polytask.verdicts.shown.sanitize import clean_text

    if out is not None and out.exists():
        raise StorageError("this file exists already", where=str(out), remedy="Choose another --out, or delete it")
    found = SavedTableModel(run, source, component_classes(component), device).evaluate(table)
    shown = Table(box=None)
    for name in ("target", "metric", "value", "rows"):
        shown.add_column(name, justify="right" if name in {"value", "rows"} else "left")
    for row in found.itertuples():
        shown.add_row(Text(clean_text(row.target)), str(row.metric), f"{row.value:.4f}", f"{row.rows:,}")
    Console().print(shown)
    if out is not None:
        write_text(out, csv_text(found))
