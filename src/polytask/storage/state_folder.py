"""State folders: nested dictionaries of tensors, numbers and strings, stored as safetensors and JSON.

    folder/
      tensors.safetensors   every tensor, named by its path in the nesting
      values.json           everything else
      manifest.json         size and SHA-256 of both files

A folder is written under a temporary name and renamed when it is complete, so a reader finds the old state or the new.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from polytask.errors import StorageError
from polytask.storage.atomic_write import make_folder, storage_errors, write_bytes

_TENSORS, _VALUES, _MANIFEST = "tensors.safetensors", "values.json", "manifest.json"
_SEPARATOR = "\x1f"  # joins nested keys to a tensor's name; no key may contain it
_RESERVED = "__metadata__"  # the key of the metadata in a safetensors header


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Save a state to a folder, replacing the folder's previous content.

    Args:
        folder: Folder to write; its parent is created if needed.
        state: Nested dictionaries with string keys; leaves are tensors or values that JSON can represent.

    Raises:
        StorageError: The folder cannot be written, or a key cannot be stored; the previous content is left as it was.
    """
    if folder.is_file():
        raise StorageError("a file exists where a folder is needed", where=str(folder), remedy="Choose another folder")
    tensors = {path: leaf.detach().cpu().contiguous() for path, leaf in _leaves(state) if isinstance(leaf, torch.Tensor)}
    files = {
        _TENSORS: save({path: tensor.clone() for path, tensor in tensors.items()}),
        _VALUES: json.dumps(_without_tensors(state), ensure_ascii=False).encode(),
    }
    facts = {name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()}
    # Named after the process: two writers of one folder must not share a half-written one.
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    make_folder(temporary)
    try:
        for name, content in (files | {_MANIFEST: json.dumps(facts, indent=2).encode()}).items():
            write_bytes(temporary / name, content)
        _replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_state(folder: Path) -> dict[str, Any]:
    """Load the state that `save_state` wrote, with tensors on the CPU.

    Raises:
        StorageError: A file is missing, or its content differs from the checksum in the manifest.
    """
    _recover(folder)
    contents = {}
    for name, checksum in _checksums(folder).items():
        with storage_errors(folder / name):
            contents[name] = (folder / name).read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != checksum:
            found = f"{len(contents[name])} bytes with another checksum"
            raise StorageError("the file is damaged", where=str(folder / name), found=found, remedy="Delete its folder and run again")
    try:
        state = json.loads(contents[_VALUES])
    except (ValueError, RecursionError) as error:
        raise StorageError("the file is damaged", where=str(folder / _VALUES), found=error) from None
    try:
        tensors = load(contents[_TENSORS])
    except (SafetensorError, ValueError, KeyError) as error:  # the last two: an unknown dtype, a shape without bytes
        raise StorageError("the file is damaged", where=str(folder / _TENSORS), found=error) from None
    for path, tensor in tensors.items():
        *parents, name = path.split(_SEPARATOR)
        inner = state
        for parent in parents:
            inner = inner.get(parent) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            raise StorageError("the file has no place for a tensor", where=str(folder / _VALUES), found=repr(path[:80]))
        inner[name] = tensor
    if not isinstance(state, dict):
        raise StorageError("the file must hold a mapping", where=str(folder / _VALUES), found=type(state).__name__)
    return state


def state_digest(folder: Path) -> str:
    """Return the SHA-256 of the tensors of a saved state, from its manifest.

    Raises:
        StorageError: The manifest is missing or damaged.
    """
    return _checksums(folder)[_TENSORS]


def has_state(folder: Path) -> bool:
    """Return whether there is a complete state to load.

    Nothing is changed on disk, since a writer may be between its two renames.
    """
    return ((folder if folder.exists() else _old(folder)) / _MANIFEST).is_file()


def _old(folder: Path) -> Path:
    """Return the path to which a folder is moved while it is being replaced."""
    return folder.with_name(f".{folder.name}.old")


def _recover(folder: Path) -> None:
    """Restore the old folder if a writer was killed between its two renames."""
    if _old(folder).is_dir() and not folder.exists():
        with storage_errors(folder):
            _old(folder).rename(folder)


def _replace_folder(new: Path, folder: Path) -> None:
    old = _old(folder)
    _recover(folder)  # otherwise the only complete state would be deleted as a leftover
    with storage_errors(folder):
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        _flush_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / _MANIFEST
    with storage_errors(path):
        text = path.read_bytes()
    try:
        facts = json.loads(text)
        return {name: facts[name]["sha256"] for name in (_TENSORS, _VALUES)}
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError("the manifest is damaged", where=str(path), found=error, remedy="Delete its folder and run again") from None


def _leaves(state: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if _SEPARATOR in str(name) or f"{path}{name}" == _RESERVED:
            raise StorageError(
                "a key must be neither reserved nor contain U+001F", where="state", found=repr(name), remedy="Rename the key"
            )
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}{_SEPARATOR}")
        else:
            yield f"{path}{name}", value


def _without_tensors(state: Mapping[str, Any]) -> dict[str, Any]:
    plain = ((name, _without_tensors(value) if isinstance(value, Mapping) else value) for name, value in state.items())
    return {str(name): value for name, value in plain if not isinstance(value, torch.Tensor)}
