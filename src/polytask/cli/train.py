"""`polytask train`: one network for all tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli import tables
from polytask.cli.fetching import fetching_display
from polytask.cli.imports import AllowImports, ImportPaths
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.options import merged, name_of


def train(
    source: Annotated[
        str, typer.Argument(help="A built-in data set (polytask data list), a table (CSV, Parquet), or a file (YAML), such as a run.yaml.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder. By default runs/train- and the source's name.")] = None,
    balancer: Annotated[str | None, typer.Option(help="How losses become one update (polytask methods), or weights=0.2/0.8.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root of all random streams.")] = None,
    size: Annotated[str | None, typer.Option(help="sample (ships with polytask) or full; by default the first that there is.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The most epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of a step over all sources.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Any of PyTorch's, by name.")] = None,
    stop: Annotated[str | None, typer.Option(help="Whose metric must stop improving: first, any, all or mean.")] = None,
    patience: Annotated[int | None, typer.Option(help="For how many epochs.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the processor; by default the faster of one and all.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    targets: tables.Targets = None,
    kind: tables.Kinds = None,
    weight: tables.Weights = None,
    group: tables.Group = None,
    time: tables.Time = None,
    split: tables.Split = None,
    unit: tables.Unit = None,
    without: tables.Without = None,
    category: tables.Categories = None,
    missing: tables.Missing = None,
    delimiter: tables.Delimiter = None,
    encoding: tables.Encoding = None,
    architecture: Annotated[str | None, typer.Option(help="A way of sharing (polytask methods), as mmoe(experts=4).")] = None,
    encoder: Annotated[str | None, typer.Option(help="What turns inputs into features (polytask methods).")] = None,
    preset: tables.Preset = None,
    assign: Annotated[list[str] | None, typer.Option("--set", help="Any other choice, as name=value: training.clip=1. Repeatable.")] = None,
    import_path: ImportPaths = None,
    allow_imports: AllowImports = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result.")] = False,
) -> None:
    """Train one network for all tasks until it has converged. Test data stay closed."""
    given = {
        "balancer": balancer, "seed": seed, "size": size, "epochs": epochs, "batch_size": batch_size, "lr": lr, "optimizer": optimizer,
        "stop": stop, "patience": patience, "threads": threads, "precision": precision,
        "architecture": architecture, "encoder": encoder, "preset": preset,
        "targets": targets, "kinds": kind, "weights": weight, "group": group, "time": time, "split": split, "unit": unit,
        "without": without, "categories": category, "missing": missing, "delimiter": delimiter, "encoding": encoding,
    }  # fmt: skip
    config = merged(source, given, assign or [], imports=allow_imports)
    _run(config, out or Path("runs") / f"train-{name_of(config)}", quiet=quiet)


def _run(config: dict[str, object], out: Path, *, quiet: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import training_display
    from polytask.study import TrainConfig, checked, opened, train_one

    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(TrainConfig, config, where="train", imports=True), progress)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"The state is kept in {out}; the same command goes on there"
    with says_what_is_kept(kept), training_display(console, quiet=quiet) as watch:
        trained = train_one(data.config, data.sources, data.tasks, out, watch)
    for task, metrics in trained.validation.items():
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        console.print(f"{escape(task)} (validation): {values}", highlight=False, soft_wrap=True)
    if trained.facts["matched"]:
        console.print(f"weights file: {escape(trained.facts['matched'])}", soft_wrap=True)
    console.print(f"Everything is in {trained.folder}", soft_wrap=True)
