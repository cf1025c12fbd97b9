"""environment.json is written and read through its schema, like every file of a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.errors import StorageError
from polytask.run_files import EnvironmentFile
from polytask.storage import read_json, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    EnvironmentFile(facts={"cores": 2, "data sha256, a": "12"}).write(path)
    assert read_json(path) == EnvironmentFile.read(path).facts == {"cores": 2, "data sha256, a": "12"}
    write_json(path, 5)
    with pytest.raises(StorageError, match=r"environment.json: this file must hold a JSON object \(found int\)"):
        EnvironmentFile.read(path)
