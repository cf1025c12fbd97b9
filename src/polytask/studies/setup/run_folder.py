"""The run folder: claiming it, going on in it, and what is written into it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from polytask.errors import StorageError
from polytask.options import NetworkConfig, checked, differences
from polytask.options.component_names import check_imports, import_paths_of
from polytask.options.network_config import Config
from polytask.storage import exclusive_lock, make_folder, read_json, read_yaml, storage_errors, write_bytes, write_text, write_yaml

MODEL_INDEX = "model.json"
LOCK_FILE = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """Where one study lives.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "run.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine, data and tasks: written before the configuration, so where that is, this is."""
        return self.path / "environment.json"

    @property
    def verdict(self) -> Path:
        """What the study says."""
        return self.path / "verdict.json"

    @property
    def costs(self) -> Path:
        """Cost of every arm."""
        return self.path / "cost.json"

    @property
    def predictions(self) -> Path:
        """What the verdict is computed from."""
        return self.path / "predictions.parquet"

    @property
    def race(self) -> Path:
        """What was tried and chosen on validation data."""
        return self.path / "race.json"

    @property
    def checkpoints(self) -> Path:
        """What is kept while training."""
        return self.path / "checkpoints"

    @property
    def trial_networks(self) -> Path:
        """The networks of the race."""
        return self.checkpoints / "race"

    def look(self, number: int) -> Path:
        """What came of the test data at one look."""
        return self.checkpoints / f"look-{number}"

    @property
    def ledger(self) -> Path:
        """How often the test data were opened."""
        return self.checkpoints / "test-openings.json"

    @property
    def model(self) -> Path:
        """The recommended model: where its index is, the run is finished."""
        return self.path / "model"

    @property
    def relations(self) -> Path:
        """How tasks stand to each other: where it is, the run that measured it is finished."""
        return self.path / "relate.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against other runs; the lock ends with the process, however that ends.

        Raises:
            StorageError: Another run is at work in it, or it cannot be written to.
        """
        make_folder(self.path)
        with exclusive_lock(self.path / LOCK_FILE, wait=False):
            yield

    def claim(self, asked: Config) -> Config | None:
        """Take the folder, held already, for this run: None where it is new, the stored configuration where the run goes on.

        Raises:
            StorageError: It holds something else, or a finished study, or cannot be written to.
        """
        with storage_errors(self.path):
            for part in (part for file in (self.environment, self.config) for part in self.path.glob(f".{file.name}.*.part")):
                part.unlink()
            entries = [entry for entry in self.path.iterdir() if entry.name != LOCK_FILE]
        if not entries or (entries == [self.environment] and "polytask" in self.read_environment()):
            return None  # the latter is what a run leaves that was killed at its very beginning
        if not self.config.exists():
            raise StorageError("this folder holds something else", where=str(self.path), remedy="Choose another --out")
        if (self.model / MODEL_INDEX).exists() or self.relations.exists():
            remedy = "Choose another --out, or delete it"
            raise StorageError("this folder holds a finished run", where=str(self.path), remedy=remedy)
        found = read_yaml(self.config)
        # Who has written the file may make the run import what the user has named, and nothing else.
        check_imports(found, str(self.config), allowed=frozenset(path for _, path in import_paths_of(asked.model_dump(mode="json"))))
        stored = checked(type(asked), found, where=str(self.config), imports=True)
        different = differences(asked, stored)
        if different:
            remedy = "Repeat the command that began it, or choose another --out"
            raise StorageError(f"this folder holds another run, unfinished ({different})", where=str(self.path), remedy=remedy)
        return stored

    def delete_partial_files(self) -> None:
        """Delete what writers left that were killed: nobody else writes while the folder is held."""
        with storage_errors(self.path):
            for part in list(self.path.rglob(".*.part")):
                if part.is_dir():
                    shutil.rmtree(part, ignore_errors=True)
                else:
                    part.unlink(missing_ok=True)

    def write_config(self, config: NetworkConfig) -> None:
        """Every choice, resolved."""
        write_yaml(self.config, config.model_dump(mode="json"))

    def read_environment(self) -> dict[str, Any]:
        """What stands in environment.json.

        Raises:
            StorageError: It is missing or damaged.
        """
        content = read_json(self.environment)
        if not isinstance(content, dict):
            raise StorageError("this file holds no names with values", where=str(self.environment), found=type(content).__name__)
        return content

    def log(self, line: str) -> None:
        """Add a line, with the time, to log.txt."""
        path = self.path / "log.txt"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z {line}\n")

    def delete_checkpoints(self) -> None:
        """What was kept while training is no longer needed."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def write_dataframe(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV or Parquet, after its name's ending."""
    if path.suffix == ".parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_bytes(path, buffer.getvalue())
    else:
        write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet table of a run folder.

    Raises:
        StorageError: The file is damaged.
    """
    with storage_errors(path):
        try:
            return pd.read_parquet(path)
        except ValueError as error:  # pyarrow's errors about content are ValueErrors
            raise StorageError("this is no Parquet file", where=str(path), found=error) from None
