"""Where a command writes its run, as its options `--out` and `--overwrite` say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polytask.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from polytask.options import NetworkConfig

Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the finished run in the folder. No other folder is ever replaced."),
]
Resume = Annotated[
    Path | None,
    typer.Option("--resume", help="Run folder to complete, in the place of the source and --out: all options are read from its run.yaml."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result.")]


@dataclass(frozen=True)
class RunOutput:
    """Where a command writes its run.

    Attributes:
        out: Folder that was given; `None` for the default.
        overwrite: Whether to replace a finished run.
        quiet: Whether to print only the result.
    """

    out: Path | None = None
    overwrite: bool = False
    quiet: bool = False

    @contextmanager
    def folder(self, default: str, config: NetworkConfig, *, continues: bool = False) -> Iterator[Path]:
        """Provide the folder of a run.

        Args:
            default: Name of the default folder in the folder `runs`; it is numbered if the name is taken.
            config: Configuration of the run.
            continues: Whether the run continues the one in the folder.

        Raises:
            ConfigError: A run is to be continued and replaced.
            StorageError: The folder cannot be created, or holds something that is not replaced.
        """
        from polytask.studies.setup.output_folder import numbered_folder
        from polytask.studies.setup.replaced_run import files_read

        given = self.out or Path("runs") / default
        if continues and self.overwrite:
            raise ConfigError("a run cannot be continued and replaced", where="--continue, --overwrite", remedy="Leave one of them out")
        if self.overwrite:
            with overwritten(given, files_read(config)):
                yield given
            return
        if self.out is not None or continues:
            yield given
            return
        with numbered_folder(given, config) as path:
            yield path


def resolved_run(source: str | None, resume: Path | None, output: RunOutput) -> tuple[str, RunOutput]:
    """Return the source of a command and where it writes: those that are given, or those of the run that is to be completed.

    An option that contradicts the run is found when its folder is claimed.

    Args:
        source: Source argument.
        resume: Folder of the run to complete.
        output: Where to write otherwise.

    Raises:
        ConfigError: There is no source, or there is one besides the run to complete.
        StorageError: The folder holds no run.

    Example:
        >>> resolved_run("sales.csv", None, RunOutput())[0]
        'sales.csv'
        >>> resolved_run("sales.csv", Path("runs/sales"), RunOutput())
        Traceback (most recent call last):
        polytask.errors.ConfigError: --resume: a run is completed with its own source and folder (found source). Leave out source.
    """
    if resume is None:
        if source is None:
            remedy = "For example polytask study sales.csv"
            raise ConfigError("a data set, a table, or a YAML file is needed", where="source", remedy=remedy)
        return source, output
    others = {"source": source is not None, "--out": output.out not in (None, resume), "--overwrite": output.overwrite}
    if found := ", ".join(name for name, given in others.items() if given):
        what = "a run is completed with its own source and folder"
        raise ConfigError(what, where="--resume", found=found, remedy=f"Leave out {found}")
    file = resume / "run.yaml"
    if not file.is_file():
        what, remedy = "this folder holds no run that has begun", "Give the folder of a run, or repeat the command that started it"
        raise StorageError(what, where=str(resume), remedy=remedy)
    return str(file), replace(output, out=resume)


@contextmanager
def unless_finished(folder: Path) -> Iterator[None]:
    """Run the block, or leave it if it finds that only the report of this run is missing: its command was killed before it.

    Raises:
        FinishedRunError: The folder holds the run with its report.
    """
    from polytask.run_files.file_descriptions import REPORT_FILE
    from polytask.studies.setup.run_folder import FinishedRunError

    try:
        yield
    except FinishedRunError:
        if (folder / REPORT_FILE).exists():
            raise


@contextmanager
def overwritten(out: Path, reads: Iterable[Path]) -> Iterator[None]:
    """Write a run to the folder of a finished run, and say where the finished run is if the other one began and did not finish.

    Args:
        out: Folder of the finished run.
        reads: Files and folders that the other run reads.

    Raises:
        StorageError: The folder holds something that is not replaced, or the other run reads a file in it.
    """
    from polytask.studies.setup.replaced_run import replaced_run

    aside: Path | None = None
    try:
        with replaced_run(out, reads) as aside:
            yield
    finally:
        if aside is not None and aside.exists():
            typer.echo(f"The run that was to be replaced is kept in {aside}", err=True)
