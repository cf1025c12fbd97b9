"""Bytes that survive: whatever happens while writing, a reader finds the old or the new."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import StorageError
from polytask.storage import atomic_write, load_state, read_json, read_yaml, save_state, write_bytes, write_json, write_yaml

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: "\x1f" not in name)
TENSORS = st.sampled_from(
    [torch.arange(3), torch.tensor(1.5), torch.zeros(0), torch.ones(2, 3, dtype=torch.float64), torch.full((2,), 3.0, dtype=torch.bfloat16)]
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)
STATES = st.recursive(
    st.dictionaries(NAMES, st.one_of(TENSORS, PLAIN), max_size=4), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return (
            isinstance(second, dict) and first.keys() == second.keys() and all(equal(value, second[name]) for name, value in first.items())
        )
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    return bool(first == second)


@given(STATES.filter(lambda state: isinstance(state, dict)))
def test_a_state_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("state") / "here"
    save_state(folder, state)
    assert equal(load_state(folder), state)


def test_the_same_state_is_the_same_bytes(tmp_path: Path) -> None:
    state = {"b": torch.arange(4), "a": {"c": torch.ones(2), "d": [1, 2.5, None]}}
    save_state(tmp_path / "one", state)
    save_state(tmp_path / "two", state)
    for file in ("tensors.safetensors", "values.json", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(("number", "text"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")])
def test_a_failure_is_one_line_and_the_old_content_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    write_bytes(tmp_path / "file", b"old")

    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic_write.os, "fsync", failing)
    with pytest.raises(StorageError, match=text) as caught:
        write_bytes(tmp_path / "file", b"new")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_where_a_folder_must_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="a file exists where a folder is needed"):
        write_bytes(tmp_path / "file" / "inner", b"")


@pytest.mark.parametrize("name", ["tensors.safetensors", "values.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    save_state(tmp_path / "state", {"x": torch.arange(50), "n": [1, 2, 3]})
    path = tmp_path / "state" / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        load_state(tmp_path / "state")
    assert "\n" not in str(caught.value)


def test_json_and_yaml_come_back(tmp_path: Path) -> None:
    content = {"name": "Größe", "list": [1, 2.5, None, True], "inner": {"a": "b: c"}}
    write_json(tmp_path / "a.json", content)
    write_yaml(tmp_path / "a.yaml", content)
    assert read_json(tmp_path / "a.json") == read_yaml(tmp_path / "a.yaml") == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2", "line"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system [ls]", "must be plain YAML"),
        ("a:\n  - b\n c", "line"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(StorageError, match=expected) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert str(tmp_path / "a.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_that_is_broken_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n "b": }')
    with pytest.raises(StorageError, match="line 2"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match="must be UTF-8 text"):
        read_json(tmp_path / "a.json")
    with pytest.raises(StorageError, match="nothing"):
        read_json(tmp_path / "nothing")
