"""The folder that a command writes to if none is given: the next free number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from polytask.errors import PolytaskError
from polytask.options.train_config import Config
from polytask.storage import make_folder, storage_errors
from polytask.studies.setup.run_folder import RunFolder


@contextmanager
def numbered_folder(base: Path, requested: Config) -> Iterator[Path]:
    """Take the first free folder of `base`, `base-2`, `base-3`, … for a run.

    A folder is free if it does not exist, or holds an unfinished run with the same configuration, which is then resumed. It is created by
    one atomic operation, so that two commands never get the same new folder, and removed again if nothing was written to it.

    Args:
        base: Folder without a number.
        requested: Configuration of the run.

    Raises:
        StorageError: No folder can be created there.
    """
    make_folder(base.parent)
    candidates = (base if number == 1 else base.with_name(f"{base.name}-{number}") for number in count(1))
    path = next(path for path in candidates if _is_created(path) or _is_resumable(RunFolder(path), requested))
    try:
        yield path
    finally:
        with suppress(OSError):  # a folder with anything in it stays
            path.rmdir()


def _is_created(path: Path) -> bool:
    """Create a folder, and return whether it is new."""
    with storage_errors(path):
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


def _is_resumable(folder: RunFolder, requested: Config) -> bool:
    """Return whether a folder that no other run uses holds an unfinished run with this configuration."""
    if not folder.config.exists() or folder.finished:
        return False
    try:
        with folder.alone():
            return folder.claim(requested) is not None
    except PolytaskError:  # another run uses the folder, or it holds something else
        return False
