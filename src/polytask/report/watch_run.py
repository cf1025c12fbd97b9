"""Keep the report of a run folder up to date while its files change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from polytask.report.pages.waiting_page import render_waiting_page
from polytask.report.write_html import is_finished, write_report
from polytask.run_files.file_descriptions import REPORT_FILE
from polytask.storage import storage_errors, write_text

LOG_FILE = "log.txt"

State = tuple[tuple[str, int, int], ...]


def watch_run(folder: str | Path, seconds: float = 2.0, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Write the report whenever files of a run folder have changed, and yield what was written; it ends when its caller does.

    While a run is not finished, report.html shows its log and loads itself again every few seconds. What a browser has loaded last is
    then the finished report, which does not.

    Args:
        folder: Run folder of `polytask study`, `polytask relate` or `polytask verdict`, which may not have finished.
        seconds: Seconds between two looks at the files.
        wait: Function that waits for a number of seconds.

    Raises:
        StorageError: The folder does not exist, or a file cannot be read or written.
        DataError: A file of a finished run has unexpected content.
    """
    path = Path(folder)
    seen: State | None = None
    while True:
        found = _state_of(path)
        if found != seen:
            seen = found
            finished = is_finished(path)
            page = write_report(path) if finished else _write_waiting_page(path)
            yield f"{page}: {'the report' if finished else 'the log, until the run is finished'}"
        wait(seconds)


def _write_waiting_page(folder: Path) -> Path:
    log = folder / LOG_FILE
    with storage_errors(log):
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    write_text(folder / REPORT_FILE, render_waiting_page(folder.name, lines))
    return folder / REPORT_FILE


def _state_of(folder: Path) -> State:
    """Return names, sizes and times of the files in a folder, but for the report and what is being written."""
    with storage_errors(folder):
        files = [path for path in folder.iterdir() if path.is_file() and path.name != REPORT_FILE and not path.name.startswith(".")]
        return tuple(sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files))
