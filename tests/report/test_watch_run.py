"""The report of a run that is going on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from polytask.errors import StorageError
from polytask.report.watch_run import watch_run

pytestmark = pytest.mark.usefixtures("no_charts")


def test_the_log_is_shown_until_the_run_is_finished(make_run: Any, tmp_path: Path) -> None:
    finished, running = make_run(), tmp_path / "running"
    running.mkdir()
    steps = iter(["log", "nothing", "result", "nothing", "verdict", "stop"])

    def wait(seconds: float) -> None:
        match next(steps):
            case "log":
                (running / "log.txt").write_text("<b>3</b> networks trained\n", encoding="utf-8")
            case "result":
                shutil.copytree(finished, running, dirs_exist_ok=True)
            case "verdict":
                (running / "verdict.json").write_text("{}", encoding="utf-8")
            case "stop":
                raise KeyboardInterrupt

    pages = []
    with pytest.raises(KeyboardInterrupt):
        for _ in watch_run(running, wait=wait):
            pages.append((running / "report.html").read_text(encoding="utf-8"))  # noqa: PERF401 - the loop is interrupted
    first, log, report, other = pages
    assert "Nothing yet." in first
    assert "<li>&lt;b&gt;3&lt;/b&gt; networks trained</li>" in log
    assert 'http-equiv="refresh"' in log
    assert "Task: digit" in report
    assert 'http-equiv="refresh"' not in report
    assert "No recommendation was made." in other


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        next(watch_run(tmp_path / "nowhere"))
