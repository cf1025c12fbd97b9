"""`polytask study`: should these tasks be trained together?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli import tables
from polytask.cli.fetching import fetching_display
from polytask.cli.imports import AllowImports, ImportPaths
from polytask.cli.interrupt import says_what_is_kept
from polytask.cli.options import listed, looks_of, margins_of, merged, name_of

PLANS = {None: None, True: "race", False: "grid"}
OWN = ("source", "out", "arms", "margin", "protect", "looks", "race", "assign", "import_path", "allow_imports", "quiet")
"""Options that are no choices of a study as they stand."""


def study(
    source: Annotated[
        str, typer.Argument(help="A built-in data set (polytask data list), a table (CSV, Parquet), or a study file (YAML).")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder. By default runs/ and the source's name.")] = None,
    arms: Annotated[str | None, typer.Option(help="What to compare, with commas: single, equal, 'cagrad(c=0.4)', weights=1/2, …")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds: 5 by default, 3 at least to trust the verdict.")] = None,
    size: Annotated[str | None, typer.Option(help="sample (ships with polytask) or full; by default the first that there is.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The most epochs of any network.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of a step over all sources.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of all arms.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="Any of PyTorch's, by name.")] = None,
    stop: Annotated[str | None, typer.Option(help="Whose metric must stop improving: first, any, all or mean.")] = None,
    patience: Annotated[int | None, typer.Option(help="For how many epochs.")] = None,
    race: Annotated[
        bool | None, typer.Option("--race/--grid", help="Race on validation data, and test the winner alone; or test every arm.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Settings that every arm may try; with one, nothing is tuned.")] = None,
    looks: Annotated[str | None, typer.Option(help="Seeds at each look at the test data: 5,8,12. By default one look.")] = None,
    protect: Annotated[list[str] | None, typer.Option(help="A task that must not lose; by default none may. Repeatable.")] = None,
    margin: Annotated[list[str] | None, typer.Option(help="task=number: a difference that counts as the same. Repeatable.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes side by side.")] = None,
    cluster: Annotated[str | None, typer.Option(help="A Dask scheduler whose workers train: tcp://host:8786.")] = None,
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
    test: Annotated[str | None, typer.Option(help="Of a table: a file with the test rows. By default a fifth of the rows is kept.")] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", help="Any other choice, as name=value: training.clip=1. Repeatable.")] = None,
    import_path: ImportPaths = None,
    allow_imports: AllowImports = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the verdict.")] = False,
) -> None:
    """Train the arms, compare them with single-task training, and say what to ship."""
    given = {tables.FIELDS.get(name, name): value for name, value in locals().items() if name not in OWN}
    given |= {"arms": listed(arms), "margins": margins_of(margin or []), "protect": tuple(protect or ()) or None, "plan": PLANS[race]}
    given |= looks_of(looks, seeds)
    config = merged(source, given, assign or [], imports=allow_imports)
    _run(config, out or Path("runs") / name_of(config), quiet=quiet)


def _run(config: dict[str, object], out: Path, *, quiet: bool) -> None:
    from rich.console import Console

    from polytask.cli.notes import say_notes
    from polytask.cli.progress import study_display
    from polytask.report import write_report
    from polytask.report.terminal import verdict_table
    from polytask.storage import read_json
    from polytask.study import Study, StudyConfig, checked, opened

    with fetching_display(quiet=quiet) as progress:
        data = opened(checked(StudyConfig, config, where="study", imports=True), progress)
    study = Study(data.sources, data.tasks, config=data.config)
    console = Console()
    say_notes(console, data, quiet=quiet)
    kept = f"Finished networks are kept in {out}; the same command goes on there"
    with says_what_is_kept(kept), study_display(console, quiet=quiet) as watch:
        result = study.run(out, watch)
    page = write_report(result.folder)
    console.print(verdict_table(result.summary, read_json(result.folder / "cost.json")))
    console.print(f"Everything is in {result.folder}; the report is {page}", soft_wrap=True)
