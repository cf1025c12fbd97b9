"""What the disk, the user or a kill may do to files: one line each, and the old content or the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import ConfigError, DataError, DownloadError, PolytaskError, StorageError
from polytask.storage import has_state, load_state, read_json, read_yaml, save_state, storage_errors, write_bytes, write_json, write_yaml

OLD: dict[str, Any] = {"x": torch.zeros(3), "n": 1}
NEW: dict[str, Any] = {"x": torch.ones(3), "n": 2}
TOUCHES = ((Path, "rename"), (Path, "replace"), (Path, "mkdir"), (Path, "unlink"), (Path, "chmod"), (os, "fsync"), (shutil, "rmtree"))


class KilledError(BaseException):
    """The process is no more: nothing that would tidy up runs."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, limit: int, *, half: bool) -> Iterator[list[str]]:
    """Lets `limit` touches of the file system through, and none after; the last `rmtree` may be cut in half."""
    done: list[str] = []

    def dying(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if len(done) == limit:
                if half and name == "rmtree" and Path(arguments[0]).is_dir():
                    min(Path(arguments[0]).iterdir()).unlink()
                done.append("killed")
            if len(done) > limit:
                raise KilledError
            done.append(name)
            return function(*arguments, **named)

        return wrapped

    with monkeypatch.context() as context:
        unlink = Path.unlink
        for owner, name in TOUCHES:
            context.setattr(owner, name, dying(name, getattr(owner, name)))
        if half:
            context.setattr(Path, "unlink", unlink)
        yield done


@pytest.mark.parametrize("half", [False, True], ids=["whole", "half-deleted"])
def test_wherever_a_writer_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, half: bool) -> None:
    found = []
    for limit in range(100):
        folder = tmp_path / str(limit) / "state"
        save_state(folder, OLD)
        with killed_at(monkeypatch, limit, half=half) as done, suppress(KilledError):
            save_state(folder, NEW)
        assert has_state(folder)
        found.append(int(load_state(folder)["n"]))
        save_state(folder, NEW)
        assert torch.equal(load_state(folder)["x"], NEW["x"])
        if "killed" not in done:
            break
    assert "killed" not in done, "every touch had its turn"
    assert done.count("rename") == 2
    assert found == sorted(found), "first always the old, then always the new"
    assert set(found) == {1, 2}


def test_a_first_state_that_is_cut_short_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in range(8):
        folder = tmp_path / str(limit) / "state"
        with killed_at(monkeypatch, limit, half=False), suppress(KilledError):
            save_state(folder, NEW)
        assert not has_state(folder)
        with pytest.raises(StorageError):
            load_state(folder)


def test_a_manifest_with_any_byte_wrong_is_found_or_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    save_state(folder, OLD)
    path = folder / "manifest.json"
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        for mask in (255, 1, 32):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
            try:
                assert torch.equal(load_state(folder)["x"], OLD["x"])
            except StorageError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > len(whole)


@pytest.mark.parametrize("text", ["[]", "null", '{"tensors.safetensors": 3, "values.json": 3}', '{"tensors.safetensors": {}}', "9" * 5_000])
def test_a_manifest_that_is_something_else(tmp_path: Path, text: str) -> None:
    save_state(tmp_path / "state", OLD)
    (tmp_path / "state" / "manifest.json").write_text(text)
    with pytest.raises(StorageError, match="manifest is damaged"):
        load_state(tmp_path / "state")


@pytest.mark.parametrize("state", [{"a\x1fb": torch.ones(1)}, {"a\x1fb": {"c": torch.ones(1)}}, {"__metadata__": torch.ones(1)}])
def test_a_name_that_could_not_be_read_back_is_refused_while_writing(tmp_path: Path, state: dict[str, Any]) -> None:
    save_state(tmp_path / "state", OLD)
    with pytest.raises(StorageError, match="name"):
        save_state(tmp_path / "state", state)
    assert load_state(tmp_path / "state")["n"] == 1


def test_a_users_file_is_not_moved_away(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("mine")
    with pytest.raises(StorageError, match="a file exists where a folder is needed"):
        save_state(tmp_path / "state", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert (tmp_path / "state").read_text() == "mine"


def test_a_folder_where_a_file_must_be(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    for use in (lambda: write_bytes(tmp_path / "a.json", b""), lambda: read_json(tmp_path / "a.json")):
        with pytest.raises(StorageError, match=r"a\.json") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is always full is Linux's")
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(StorageError, match="the disk is full") as caught, storage_errors(Path("out")), Path("/dev/full").open("wb") as file:
        file.write(b"x")
        file.flush()
    assert "\n" not in str(caught.value)
    assert caught.value.where == "out"


@pytest.mark.parametrize("error", [DownloadError("no mirror answers"), StorageError("full"), ConfigError("no"), DataError("bad")])
def test_what_is_said_already_is_not_said_again(error: PolytaskError) -> None:
    with pytest.raises(type(error)) as caught, storage_errors(Path("out")):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("text", ["day: 2020-13-45", "a: 0b_", "a: !!int x", "a: !!float x", "a: " + "9" * 5_000, "[" * 3_000, "a: \x00"])
def test_yaml_that_no_value_can_be_made_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(StorageError, match="must be plain YAML") as caught:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 5_000, "[" * 100_000, "", "{}{}", "\ufeff{}"])
def test_json_that_no_value_can_be_made_of(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match="must be valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


# The line breaks that only Unicode has become spaces in PyYAML.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=12)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@given(content=PLAIN)
@pytest.mark.parametrize(("write", "read"), [(write_json, read_json), (write_yaml, read_yaml)], ids=["json", "yaml"])
def test_whatever_is_plain_comes_back(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[[Path, object], None], read: Callable[[Path], Any], content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "plain"
    write(path, content)
    found = read(path)
    assert found == content
    assert type(found) is type(content)


@pytest.mark.parametrize("word", ["no", "1e3", "0x1", "=", "2020-01-01", "~", "1:30", "<<", "- a", "#", "a: b", " x", "x ", "'", "!t"])
def test_a_text_stays_a_text_in_yaml(tmp_path: Path, word: str) -> None:
    write_yaml(tmp_path / "a.yaml", {word: [word]})
    assert read_yaml(tmp_path / "a.yaml") == {word: [word]}


def test_whoever_loads_brings_the_old_folder_back(tmp_path: Path) -> None:
    """What a writer leaves that is killed between its two renames; who only looks finds it and leaves it there."""
    save_state(tmp_path / "state", OLD)
    (tmp_path / "state").rename(tmp_path / ".state.old")
    assert has_state(tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == [".state.old"]
    assert load_state(tmp_path / "state")["n"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_look_between_the_two_renames_disturbs_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path / "state", OLD)
    rename, looks = Path.rename, []

    def watched(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        looks.append(has_state(tmp_path / "state"))
        return moved

    monkeypatch.setattr(Path, "rename", watched)
    save_state(tmp_path / "state", NEW)
    assert looks == [True, True]
    assert load_state(tmp_path / "state")["n"] == 2


def test_a_writer_that_is_killed_deletes_no_old_folder_that_nobody_has_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in range(100):
        folder = tmp_path / str(limit) / "state"
        save_state(folder, OLD)
        folder.rename(folder.with_name(".state.old"))
        with killed_at(monkeypatch, limit, half=False) as done, suppress(KilledError):
            save_state(folder, NEW)
        assert int(load_state(folder)["n"]) in (1, 2)
        if "killed" not in done:
            break
    assert "killed" not in done, "every touch had its turn"
