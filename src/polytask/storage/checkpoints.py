"""Checkpoints: the newest state of a run and the one before, so that a damaged one costs a part of the work and not all of it.

state/            the newest state, complete or not there
state-previous/   the one before
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.errors import StorageError
from polytask.storage.atomic_write import storage_errors
from polytask.storage.state_folder import has_state, load_state, save_state

_LOG = logging.getLogger("polytask")


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Save a state, and keep the state that the folder held as the previous one.

    Whenever the process is killed, one of the two is complete.

    Args:
        folder: Folder of the newest state.
        state: State, as for `save_state`.

    Raises:
        StorageError: The state cannot be written; what was there is left.
    """
    written = folder.with_name(f"{folder.name}-next")
    save_state(written, state)
    with storage_errors(folder):
        if folder.exists():
            shutil.rmtree(_previous(folder), ignore_errors=True)
            folder.rename(_previous(folder))
        written.rename(folder)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Load the newest complete state; `None` if there is none.

    A newer state that is damaged is deleted, with a warning, and the previous one takes its place.

    Args:
        folder: Folder of the newest state.

    Raises:
        StorageError: The newest state is damaged, and there is no previous one.
    """
    found: StorageError | None = None
    for place in _in_order(folder):
        if not has_state(place):
            continue
        try:
            state = load_state(place)
        except StorageError as error:
            found = found or error
            continue
        if found is not None:
            _LOG.warning("%s Training goes on from the checkpoint before", str(found).split(" Delete its folder")[0])
            _make_newest(place, folder)
        return state
    if found is not None:
        raise found
    return None


def delete_checkpoints(folder: Path) -> None:
    """Delete all states of a run, as far as possible."""
    for place in _in_order(folder):
        shutil.rmtree(place, ignore_errors=True)


def _in_order(folder: Path) -> tuple[Path, ...]:
    """Return the folders that may hold a state, the newest first."""
    return (folder.with_name(f"{folder.name}-next"), folder, _previous(folder))


def _previous(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-previous")


def _make_newest(place: Path, folder: Path) -> None:
    """Delete the states that are newer than the one in `place`: the next one must not replace the only complete one."""
    for newer in _in_order(folder):
        if newer == place:
            break
        shutil.rmtree(newer, ignore_errors=True)
    if place != folder:
        with storage_errors(folder):
            place.rename(folder)
