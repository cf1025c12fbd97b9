"""Logger that writes a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import IO, final

from polytask.loggers.base import LoggedRun, Logger, record_path

_HEADER = ("step", "name", "value")


@final
class CsvLogger(Logger):
    """One CSV file per run, `<folder>/<study>/<run>.csv`, with the columns `step`, `name` and `value`. Rows are written at once.

    Args:
        folder: Folder of all runs.

    Example:
        >>> import tempfile
        >>> logger = CsvLogger(tempfile.mkdtemp())
        >>> logger.begin(LoggedRun("mine"))
        >>> logger.log({"train/a/loss": 0.5}, step=1)
        >>> logger.end()
        >>> (Path(logger.folder) / "mine.csv").read_text().splitlines()
        ['step,name,value', '1,train/a/loss,0.5']
    """

    def __init__(self, folder: str = "logs") -> None:
        self.folder = folder
        self._file: IO[str] | None = None

    def begin(self, run: LoggedRun) -> None:
        """Open a new file, or continue the latest one; rows of steps after those that the run has taken are dropped."""
        path = record_path(Path(self.folder), run, ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in list(csv.reader(file))[1:] if len(row) == len(_HEADER) and int(row[0]) <= run.step]
        self._file = path.open("w", encoding="utf-8", newline="")
        csv.writer(self._file, lineterminator="\n").writerows([_HEADER, *kept])
        self._file.flush()

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Append a row per value."""
        if self._file is not None:
            csv.writer(self._file, lineterminator="\n").writerows((step, name, repr(float(value))) for name, value in values.items())
            self._file.flush()

    def end(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
