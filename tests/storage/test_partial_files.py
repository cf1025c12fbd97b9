"""Files that are being written, and those whose writers have died."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from polytask.storage import write_text
from polytask.storage.partial_files import delete_partial_files, new_partial_file, try_lock


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


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
def test_a_file_that_is_locked_before_its_writer_locks_it_is_given_up_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cleaner may open and lock a file in the moment between its creation and its lock."""
    cleaners: list[int] = []

    def late_lock(handle: int) -> bool:
        if not cleaners:
            (part,) = tmp_path.iterdir()
            cleaners.append(os.open(part, os.O_RDWR))
            try_lock(cleaners[0])
        return try_lock(handle)

    monkeypatch.setattr("polytask.storage.partial_files.try_lock", late_lock)
    handle, part = new_partial_file(tmp_path / "here.csv")
    os.write(handle, b"half")
    assert part.read_text() == "half"
    for opened in (handle, *cleaners):
        os.close(opened)


@pytest.mark.skipif(os.name == "nt", reason="Windows needs no lock")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_nobody_knows_who_lives_and_nothing_is_deleted(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_locks)
    handle, part = new_partial_file(tmp_path / "here.csv")
    write_text(tmp_path / "here.csv", "whole")
    assert part.exists()
    os.close(handle)
