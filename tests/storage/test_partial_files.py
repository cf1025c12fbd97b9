"""Files that are being written, and those whose writers have died."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from polytask.storage import write_text
from polytask.storage.partial_files import delete_partial_files, new_partial_file


def test_partial_files_of_dead_writers_are_deleted_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".here.csv.abcdefgh.part").write_text("half")
    (tmp_path / ".other.csv.abcdefgh.part").write_text("half")
    write_text(tmp_path / "here.csv", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.csv.abcdefgh.part", "here.csv"]


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    handle, part = new_partial_file(tmp_path / "here.csv")
    delete_partial_files(tmp_path / "here.csv")
    assert part.exists()
    os.close(handle)
    delete_partial_files(tmp_path / "here.csv")
    assert not part.exists()


def test_names_with_signs_of_patterns_are_names(tmp_path: Path) -> None:
    (tmp_path / ".a1.x.part").write_text("of another file")
    (tmp_path / ".a[1].x.part").write_text("half")
    write_text(tmp_path / "a[1]", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a1.x.part", "a[1]"]
