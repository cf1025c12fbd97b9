"""Every situation of the catalogue is answered in one line that says where, what and what to do."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from polytask.data.reading import check_features, check_frame, check_targets, open_table, read_table
from polytask.errors import PolytaskError, StorageError

_spec = importlib.util.spec_from_file_location("reading_situations", Path(__file__).with_name("malformed_tables.py"))
assert _spec
assert _spec.loader
situations: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = situations  # where dataclasses look their module up
_spec.loader.exec_module(situations)


def each(rows: Any) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


def check_line(line: str, words: tuple[str, ...]) -> None:
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert len(line) < 600
    for word in words:
        assert word in line


@each(situations.FILES)
def test_files(row: Any, tmp_path: Path) -> None:
    path = tmp_path / row.file
    path.write_bytes(row.bytes())
    with pytest.raises(PolytaskError) as caught:
        read_table(path, row.reading())
    assert type(caught.value) is row.error
    check_line(str(caught.value), row.words)


@each(situations.FRAMES)
def test_frames(row: Any) -> None:
    with pytest.raises(PolytaskError) as caught:
        check_frame(row.frame(), "here")
    assert type(caught.value) is row.error
    check_line(str(caught.value), row.words)


@each(situations.TARGETS)
def test_targets(row: Any) -> None:
    frame = pd.DataFrame(row.table)
    if row.error is None:
        (warning,) = check_targets(frame, row.targets, row.kinds, "here")
        check_line(warning, row.words)
        return
    with pytest.raises(PolytaskError) as caught:
        check_targets(frame, row.targets, row.kinds, "here")
    assert type(caught.value) is row.error
    check_line(str(caught.value), row.words)


@each(situations.FEATURES)
def test_features(row: Any) -> None:
    warnings = check_features(pd.DataFrame(row.table), ["y"], "here")
    assert len(warnings) == bool(row.words)
    for warning in warnings:
        check_line(warning, ("here", *row.words))


@pytest.mark.parametrize("name", ["nothing.csv", "nothing.parquet", "no/such/folder.csv", "nul\0.csv", "x" * 300 + ".csv"])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        read_table(tmp_path / name)
    check_line(str(caught.value), ())


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(StorageError, match=rf"{name}: a file is needed \(found a folder\)"):
        read_table(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(StorageError, match="a file is needed"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_file_that_may_not_be_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(b"a\n1\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr("gzip.open", refuse)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", refuse)
    with pytest.raises(PolytaskError, match=r"Permission denied"):
        read_table(path)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_that_changes_is_not_mixed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    old, new = pd.DataFrame({"a": [1, 2, 3]}), pd.DataFrame({"a": [1.5, 2.5]})
    write = {"t.csv": lambda frame: frame.to_csv(path, index=False), "t.parquet": lambda frame: frame.to_parquet(path)}[name]
    write(old)
    table = open_table(path)
    write(new)
    with pytest.raises(StorageError, match="changed"):
        next(table.chunks())


def test_the_catalogue_is_one(tmp_path: Path) -> None:
    """As many situations as are claimed, and no name twice in its part."""
    parts = [situations.FILES, situations.FRAMES, situations.TARGETS, situations.FEATURES]
    assert sum(map(len, parts)) >= 150
    del tmp_path
