"""`polytask init`: write a study file for a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init_command(
    table: Annotated[Path, typer.Argument(help="Table (CSV, TSV, also gzipped, or Parquet).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Study file to write. Default: study.yaml.")] = Path("study.yaml"),
    targets: Annotated[
        list[str] | None,
        typer.Option("--targets", help="Columns to predict. Default: the last two that can be learned. Example: churn value."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Character that separates cells.")] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Text encoding of the file.")] = "utf-8",
    na_values: Annotated[list[str] | None, typer.Option("--na-values", help="Values to treat as missing. Example: NA.")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option("--categorical", help="Columns to read as categories, even if they look like numbers.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="Columns to read as texts.")] = None,
) -> None:
    """Write a commented study file for a table, which polytask study runs.

    It lists the columns with the kinds of task that they would be as targets,
    and the main options with their defaults and what they mean.
    """
    from polytask.cli.table_source import target_names
    from polytask.data.reading import read_column_names
    from polytask.errors import ConfigError, StorageError
    from polytask.options import ReadingOptions
    from polytask.storage import write_text
    from polytask.studies.setup.study_file import make_study_file

    if out.suffix not in (".yaml", ".yml"):
        raise ConfigError("the name of a study file must end in .yaml", where="--out", found=str(out), remedy=f"For example {out}.yaml")
    if out.exists():
        raise StorageError("this file exists already", where=str(out), remedy="Choose another --out, or delete it")
    reading = ReadingOptions(delimiter, encoding, tuple(na_values or ()), tuple(categorical or ()), tuple(text or ()))
    made = make_study_file(table, out, target_names(targets or (), lambda: read_column_names(table, reading)), reading)
    write_text(out, made.text)
    kinds = ", ".join(f"{name} ({kind})" for name, kind in made.targets.items())
    guess = ", the last columns that can be learned: name others in the file, or with --targets" if made.guessed else ""
    typer.echo(f"Targets: {kinds}{guess}")
    typer.echo(f"Study file written to {out}. Run it with: polytask study {out}")
