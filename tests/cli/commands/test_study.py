"""What `polytask study` prints when a study ends, is stopped, or is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from polytask.cli import main
from polytask.errors import StorageError
from polytask.studies import Study


@pytest.mark.parametrize(
    ("error", "files", "printed"),
    [
        (None, ("verdict.json",), True),
        (StorageError("this folder holds a finished run", where="run"), ("verdict.json",), False),
        (KeyboardInterrupt(), ("verdict.json",), False),  # stopped before its first look; the verdict is of another run
        (KeyboardInterrupt(), ("verdict.json", "checkpoints/unfinished"), True),
        (KeyboardInterrupt(), ("checkpoints/unfinished",), False),
    ],
)
def test_only_what_this_study_found_is_printed(
    error: BaseException | None, files: tuple[str, ...], printed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    def ended(*_: Any) -> None:
        if error is not None:
            raise error

    shown: list[Path] = []
    monkeypatch.setattr(Study, "run", ended)
    monkeypatch.setattr("polytask.cli.commands.study._show_result", lambda _, path: shown.append(path))
    table = tmp_path / "table.csv"
    table.write_text("x,y,z\n" + "".join(f"{row},{row % 7}.5,{row % 5}.5\n" for row in range(60)))
    monkeypatch.setattr(sys, "argv", ["polytask", "study", str(table), "--targets", "y,z", "--out", str(folder), "-q"])
    with pytest.raises(SystemExit) as end:
        main()
    assert shown == ([folder] if printed else [])
    assert bool(end.value.code) == (error is not None)
