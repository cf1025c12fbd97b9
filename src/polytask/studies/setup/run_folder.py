"""The run folder: its files, its lock, and resuming an interrupted run."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pandas as pd

from polytask.errors import PolytaskError, StorageError
from polytask.options import NetworkConfig, checked, differences
from polytask.options.train_config import Config
from polytask.options.values.component_names import check_imports, import_paths_of
from polytask.run_files import EnvironmentFile
from polytask.run_files.model_index import MODEL_INDEX
from polytask.storage import exclusive_lock, make_folder, read_yaml, storage_errors, write_bytes, write_text, write_yaml
from polytask.storage.csv_table import csv_text

LOCK_FILE = ".lock"


class FinishedRunError(StorageError):
    """The folder holds the finished run of the same configuration."""


@dataclass(frozen=True)
class RunFolder:
    """Folder of one run.

    Attributes:
        path: Path of the folder.
    """

    path: Path

    @classmethod
    def at(cls, out: str | Path | None) -> Self:
        """Return the run folder with this path, or a new temporary one if none is given."""
        return cls(Path(tempfile.mkdtemp(prefix="polytask-")) if out is None else Path(out).expanduser())

    @property
    def config(self) -> Path:
        """Path of the resolved configuration."""
        return self.path / "run.yaml"

    @property
    def environment(self) -> Path:
        """Path of the environment of the run; it is written before the configuration, so that a configuration implies it."""
        return self.path / "environment.json"

    @property
    def frame(self) -> Path:
        """Path of the rows of a data frame that was given in Python."""
        return self.path / "data" / "table.parquet"

    @property
    def verdict(self) -> Path:
        """Path of the verdict."""
        return self.path / "verdict.json"

    @property
    def costs(self) -> Path:
        """Cost of every arm."""
        return self.path / "cost.json"

    @property
    def predictions(self) -> Path:
        """Path of the predictions that the verdict is computed from."""
        return self.path / "predictions.parquet"

    @property
    def race(self) -> Path:
        """Path of the trials and the selection on validation data."""
        return self.path / "race.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of everything that is only needed during the run."""
        return self.path / "checkpoints"

    @property
    def trial_networks(self) -> Path:
        """Folder of the networks of the race."""
        return self.checkpoints / "race"

    def look(self, number: int) -> Path:
        """Return the folder with the test results of one look, counted from 1."""
        return self.checkpoints / f"look-{number}"

    @property
    def unfinished(self) -> Path:
        """File that exists until the last file of a run is written; then its command resumes it, whatever the folder holds."""
        return self.checkpoints / "unfinished"

    @property
    def ledger(self) -> Path:
        """Path of the count of test openings."""
        return self.checkpoints / "test-openings.json"

    @property
    def model(self) -> Path:
        """Folder of the recommended model; its index marks the run as finished."""
        return self.path / "model"

    @property
    def judged(self) -> Path:
        """Path of the options of a verdict on predictions of another program; the file marks that verdict as finished."""
        return self.path / "verdict.yaml"

    @property
    def relations(self) -> Path:
        """Path of the relatedness results; the file marks the run as finished."""
        return self.path / "relate.json"

    @property
    def curve(self) -> Path:
        """Path of the learning curves; the file marks the run as finished."""
        return self.path / "curve.json"

    def share(self, share: float) -> Path:
        """Return the run folder of the study of one share of the labels."""
        return self.path / "shares" / f"{share:.6g}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder against other runs; the lock is released when the process ends, even if it is killed.

        Raises:
            StorageError: Another run uses the folder, or it cannot be written to.
        """
        make_folder(self.path)
        with exclusive_lock(self.path / LOCK_FILE, wait=False):
            yield

    def claim(self, requested: Config) -> Config | None:
        """Claim the locked folder for this run.

        Returns:
            `None` if the folder is new, or the stored configuration if the run is resumed.

        Raises:
            StorageError: The folder holds something else, a finished run or another unfinished run, or cannot be written to.
        """
        with storage_errors(self.path):
            for part in (part for file in (self.environment, self.config) for part in self.path.glob(f".{file.name}.*.part")):
                part.unlink()
        entries = [entry for entry in self.entries() if entry != self.frame.parent]
        if not entries or (entries == [self.environment] and "polytask" in self.read_environment()):
            return None  # a run that was killed before it wrote its configuration leaves only environment.json
        if not self.config.exists():
            raise StorageError("this folder holds something else", where=str(self.path), remedy="Choose another --out")
        if self.finished:
            self._delete_removed()
            if self.relations.exists() or not self.verdict.exists():  # a study may keep its networks for --continue
                self.delete_checkpoints()  # a run of an older version that was killed right after its last file
            remedy = "Choose another --out, or replace it with --overwrite; --continue adds seeds to a study"
            kind = FinishedRunError if self._has_configuration(requested) else StorageError
            raise kind("this folder holds a finished run", where=str(self.path), remedy=remedy)
        stored, different = self._stored_configuration(requested)
        if different:
            remedy = "Repeat the command that started it, or choose another --out"
            raise StorageError(f"this folder holds another unfinished run ({different})", where=str(self.path), remedy=remedy)
        return stored

    def _has_configuration(self, requested: Config) -> bool:
        """Return whether the run in the folder has this configuration."""
        try:
            return not self._stored_configuration(requested)[1]
        except PolytaskError:  # it is another kind of run, or of another version
            return False

    def _stored_configuration(self, requested: Config) -> tuple[Config, str]:
        """Return the configuration of the run in the folder, and how it differs from the one that is requested."""
        found = read_yaml(self.config)
        # Security: the file may make the run import only the components that the user named in this call.
        check_imports(found, str(self.config), allowed=frozenset(path for _, path in import_paths_of(requested.model_dump(mode="json"))))
        stored = checked(type(requested), found, where=str(self.config), imports=True)
        return stored, differences(requested, stored)

    def check_empty(self) -> None:
        """Check that the locked folder is empty.

        Raises:
            StorageError: It holds something.
        """
        held = sorted(entry.name for entry in self.entries())
        if held and self.finished:
            remedy = "Choose another --out, or replace it with --overwrite"
            raise StorageError("this folder holds a finished run", where=str(self.path), remedy=remedy)
        if held:
            found, remedy = ", ".join(held[:3]), "Choose another --out"
            raise StorageError("this folder holds something else", where=str(self.path), found=found, remedy=remedy)

    def entries(self) -> list[Path]:
        """Return the files and folders in the folder, without its lock.

        Raises:
            StorageError: The folder cannot be read.
        """
        with storage_errors(self.path):
            return [entry for entry in self.path.iterdir() if entry.name != LOCK_FILE]

    @property
    def finished(self) -> bool:
        """Whether the folder holds a finished run."""
        marks = (self.model / MODEL_INDEX, self.relations, self.judged, self.curve)
        return any(file.exists() for file in marks) and not self.unfinished.exists()

    def delete_partial_files(self) -> None:
        """Delete incomplete files of killed processes; this is safe because the folder is locked."""
        with storage_errors(self.path):
            for part in list(self.path.rglob(".*.part")):
                if part.is_dir():
                    shutil.rmtree(part, ignore_errors=True)
                else:
                    part.unlink(missing_ok=True)

    def write_config(self, config: NetworkConfig) -> None:
        """Write the resolved configuration to run.yaml."""
        write_yaml(self.config, config.model_dump(mode="json"))

    def read_environment(self) -> dict[str, Any]:
        """Read environment.json.

        Raises:
            StorageError: The file is missing or damaged.
        """
        return EnvironmentFile.read(self.environment).facts

    def log(self, line: str) -> None:
        """Append a line with the time in UTC to log.txt."""
        path = self.path / "log.txt"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z {line}\n")

    def delete_checkpoints(self) -> None:
        """Delete everything that was only needed during the run, which is finished as soon as its folder has another name."""
        self._delete_removed()
        if self.checkpoints.exists():
            with storage_errors(self.checkpoints):
                self.checkpoints.rename(self._removed)
        self._delete_removed()

    @property
    def _removed(self) -> Path:
        """Path to which checkpoints are moved to be deleted."""
        return self.path / f".{self.checkpoints.name}.part"

    def _delete_removed(self) -> None:
        shutil.rmtree(self._removed, ignore_errors=True)

    def mark_unfinished(self) -> None:
        """Say that the command of this run still has something to write, until its checkpoints or this mark are deleted."""
        make_folder(self.checkpoints)
        with storage_errors(self.unfinished):
            self.unfinished.touch()


def write_dataframe(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet if the path ends in .parquet, otherwise as CSV."""
    if path.suffix == ".parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_bytes(path, buffer.getvalue())
    else:
        write_text(path, csv_text(table))


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet table of a run folder.

    Raises:
        StorageError: The file is damaged.
    """
    with storage_errors(path):
        try:
            return pd.read_parquet(path)
        except ValueError as error:  # pyarrow's errors about content are ValueErrors
            raise StorageError("this file is not valid Parquet", where=str(path), found=error) from None
