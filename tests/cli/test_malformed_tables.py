"""The catalogue of broken tables on the command line: one line that says where and what, exit code 2, and nothing written."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from polytask.cli import app
from polytask.options.table_options import TABLE_ENDINGS

_path = Path(__file__).parents[1] / "data" / "reading" / "malformed_tables.py"
_spec = importlib.util.spec_from_file_location("broken_tables", _path)
assert _spec
assert _spec.loader
situations: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = situations  # where dataclasses look their module up
_spec.loader.exec_module(situations)

SAID = {"na_values": "--na-values", "categorical": "--categorical", "delimiter": "--delimiter", "encoding": "--encoding"}


def flags(options: dict[str, Any]) -> list[str] | None:
    """What is said of how a file is read, in the words of the command line; None where it cannot be said there."""
    found: list[str] = []
    for name, value in options.items():
        if name in ("na_values", "categorical"):
            if not isinstance(value, tuple):
                return None
            found += [SAID[name], *value]
        elif isinstance(value, float):
            return None
        else:
            found += [SAID[name], value] if name in SAID else ["--set", f"tables.t.{name}={value}"]
    return found


FILES = [row for row in situations.FILES if flags(row.options) is not None]
TARGETS = [row for row in situations.TARGETS if row.error is not None and row.targets and isinstance(row.targets[0], str)]


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["polytask", "train", *words, "--out", str(folder / "run")])
    with pytest.raises(SystemExit) as end:
        app.main()
    output = capsys.readouterr().err
    assert end.value.code == app.EXIT_USER_ERROR, output
    assert output.startswith("error: ")
    assert len(output.splitlines()) == 1
    assert not (folder / "run").exists()
    return output


@pytest.mark.sampled(4)
@pytest.mark.parametrize("row", FILES, ids=lambda row: row.name)
def test_files(row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / row.file).write_bytes(row.bytes())
    output = refused(monkeypatch, capsys, tmp_path, str(tmp_path / row.file), "--targets", "a", *(flags(row.options) or []))
    if row.file.endswith(TABLE_ENDINGS):  # another file is no table to the command line
        assert [word for word in row.words if word not in output] == []


@pytest.mark.parametrize("row", TARGETS, ids=lambda row: row.name)
def test_targets(row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame(row.table).assign(input=range(len(next(iter(row.table.values())))))
    frame.to_parquet(tmp_path / "t.parquet")
    kinds = [word for name, kind in row.kinds.items() for word in ("--categorical" if kind == "category" else "--set", name)]
    output = refused(monkeypatch, capsys, tmp_path, str(tmp_path / "t.parquet"), "--targets", *row.targets, *kinds)
    assert row.targets[0] in output


def test_there_are_as_many_as_are_claimed() -> None:
    assert len(FILES) + len(TARGETS) >= 110
