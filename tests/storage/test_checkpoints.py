"""Two checkpoints: whatever happens to one, training goes on from the other."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask.errors import StorageError
from polytask.storage import delete_checkpoints, load_checkpoint, save_checkpoint


def state(number: int) -> dict[str, Any]:
    return {"x": torch.full((50,), float(number)), "n": number}


def loaded(folder: Path) -> int | None:
    found = load_checkpoint(folder)
    assert found is None or found["x"][0] == found["n"]
    return None if found is None else int(found["n"])


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert load_checkpoint(folder) is None
    for number in range(4):
        save_checkpoint(folder, state(number))
        assert loaded(folder) == number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "state-previous"]
    delete_checkpoints(folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["tensors.safetensors", "values.json", "manifest.json"])
def test_a_damaged_one_gives_way_to_the_one_before_with_a_warning(file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = tmp_path / "whole" / "state"
    for number in range(2):
        save_checkpoint(whole, state(number))
    draw = random.Random(file)
    for number in range(40):
        folder = tmp_path / str(number) / "state"
        shutil.copytree(whole.parent, folder.parent)
        content = bytearray((folder / file).read_bytes())
        place = draw.randrange(len(content))
        if number % 4 == 0:
            content = content[:place]
        else:
            content[place] ^= 1 << draw.randrange(8)
        (folder / file).write_bytes(content)
        caplog.clear()
        found = loaded(folder)
        assert found in (0, 1)
        assert (found == 0) == ("Training goes on from the checkpoint before" in caplog.text)
        save_checkpoint(folder, state(2))
        assert loaded(folder) == 2
        shutil.rmtree(folder)
        assert loaded(folder) == found  # the damaged one was not kept as the previous one


def test_two_damaged_ones_are_named(tmp_path: Path) -> None:
    for number in range(2):
        save_checkpoint(tmp_path / "state", state(number))
    for file in tmp_path.rglob("values.json"):
        file.write_text("{}")
    with pytest.raises(StorageError, match=r"state.values\.json: the file is damaged"):
        load_checkpoint(tmp_path / "state")


def test_wherever_a_writer_is_killed_one_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every touch of the file system may be the last one."""
    found = []
    for limit in range(60):
        folder = tmp_path / str(limit) / "state"
        for number in range(3):
            save_checkpoint(folder, state(number))
        left = [limit]

        def dying(function: Any, left: list[int] = left) -> Any:
            def wrapped(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return function(*arguments, **named)

            return wrapped

        with monkeypatch.context() as context:
            for owner, name in ((Path, "rename"), (Path, "replace"), (Path, "mkdir"), (Path, "unlink"), (shutil, "rmtree")):
                context.setattr(owner, name, dying(getattr(owner, name)))
            with suppress(KeyboardInterrupt):
                save_checkpoint(folder, state(3))
        found.append(loaded(folder))
        if left[0] > 0:
            break
    assert found[0] == 2
    assert found[-1] == 3
    assert found == sorted(found)
