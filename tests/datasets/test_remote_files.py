"""The table of files, against what publishers print and what lies here."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from polytask.datasets.dataset_cache import find_local_file
from polytask.datasets.idx_format import read_decompressed
from polytask.datasets.remote_files import REMOTE_FILES, RemoteFile

BESIDE = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("file", REMOTE_FILES, ids=lambda file: f"{file.folder}/{file.name}")
def test_checksums_and_sizes_are_those_of_the_files(file: RemoteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    if "POLYTASK_DATA" not in os.environ and BESIDE.is_dir():
        monkeypatch.setenv("POLYTASK_DATA", str(BESIDE))
    path = find_local_file(file)
    if path is None:
        pytest.skip("the full data are not on this machine (POLYTASK_DATA)")
    content = read_decompressed(path, file.bytes)
    assert len(content) == file.bytes
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == file.md5
    assert hashlib.sha256(content).hexdigest() == file.sha256
    assert path.stat().st_size <= file.bytes, "downloads are cut off at the unpacked size"


def test_safe_addresses_come_first() -> None:
    for file in (file for file in REMOTE_FILES if file.mirrors):
        assert file.mirrors[0].startswith("https://")
        assert len(set(file.mirrors)) == len(file.mirrors)
