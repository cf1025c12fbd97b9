"""`polytask relate`: which tasks belong together?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli import tables
from polytask.cli.fetching import fetching_display
from polytask.cli.imports import AllowImports, ImportPaths
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.options import listed, merged, name_of

OWN = ("source", "out", "measures", "assign", "import_path", "allow_imports", "quiet")
"""Options that are no choices of a run as they stand."""


def relate(
    source: Annotated[
        str, typer.Argument(help="A built-in data set (polytask data list), a table (CSV, Parquet), or a study file (YAML).")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder. By default runs/relate- and the source's name.")] = None,
    groups: Annotated[int | None, typer.Option(help="How many networks to propose at most; 2 by default, 3 from 7 tasks on.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds: 3 by default.")] = None,
    measures: Annotated[
        str | None, typer.Option(help="With commas: cosine, lookahead (both measured in the joint run), transfer, similarity.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="Of how many joint steps one is measured; by default 5 (tasks + 1).")] = None,
    balancer: Annotated[str | None, typer.Option(help="Of the joint network (polytask methods); equal by default.")] = None,
    size: Annotated[str | None, typer.Option(help="sample (ships with polytask) or full; by default the first that there is.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The most epochs of any network; the joint one is trained for all of them.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of a step over all sources.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Any of PyTorch's, by name.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes side by side.")] = None,
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
    test: Annotated[
        str | None, typer.Option(help="Of a table: a file with the test rows; they stay closed. By default a fifth of the rows does.")
    ] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", help="Any other choice, as name=value: training.clip=1. Repeatable.")] = None,
    import_path: ImportPaths = None,
    allow_imports: AllowImports = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result.")] = False,
) -> None:
    """Measure how tasks stand to each other, and propose which to train together. Test data stay closed."""
    given = {tables.FIELDS.get(name, name): value for name, value in locals().items() if name not in OWN}
    given["measures"] = listed(measures)
    config = merged(source, given, assign or [], imports=allow_imports)
    if weight and balancer is None:
        config["balancer"] = "fixed"  # weights are there to be used
    _run(config, out or Path("runs") / f"relate-{name_of(config)}", quiet=quiet)


def _run(config: dict[str, object], out: Path, *, quiet: bool) -> None:
    from rich.console import Console

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import study_display
    from polytask.report import write_report
    from polytask.report.relations_terminal import relations_table
    from polytask.storage import read_json
    from polytask.study import RelateConfig, checked, opened
    from polytask.study import relate as measure

    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(RelateConfig, _of_relate(config), where="relate", imports=True), progress)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"Finished networks are kept in {out}; the same command goes on there"
    with says_what_is_kept(kept), study_display(console, quiet=quiet) as watch:
        related = measure(data.sources, data.tasks, config=data.config, out=out, watch=watch)
    page = write_report(related.folder)
    console.print(relations_table(related.summary, read_json(related.folder / "cost.json")))
    console.print(f"Everything is in {related.folder}; the report is {page}", soft_wrap=True)


def _of_relate(config: dict[str, object]) -> dict[str, object]:
    """Without what a file for studies or training says of other things, such as arms; what is unknown to all stays, to be refused."""
    from polytask.study import RelateConfig, StudyConfig, TrainConfig

    elsewhere = (StudyConfig.model_fields.keys() | TrainConfig.model_fields.keys()) - RelateConfig.model_fields.keys()
    return {name: value for name, value in config.items() if name not in elsewhere}
