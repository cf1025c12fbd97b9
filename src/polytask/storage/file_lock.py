"""Exclusive file locks, which the operating system releases when their holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polytask.errors import StorageError
from polytask.storage.atomic_write import storage_errors
from polytask.storage.partial_files import BUSY_ERRORS, try_lock

POLL_SECONDS = 0.2


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` during the block; no other process or thread can hold it meanwhile.

    A lock file that nobody holds, such as one that a killed process left behind, does not block.

    Args:
        path: Lock file; it is created, and removed afterwards.
        wait: Whether to wait until the lock is free; if False, a lock that is held raises an error.

    Raises:
        StorageError: The lock file cannot be created, or the lock is held and `wait` is False.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with exclusive_lock(folder / "lock"):
        ...     [entry.name for entry in folder.iterdir()]
        ['lock']
        >>> list(folder.iterdir())
        []
    """
    with storage_errors(path):
        while (handle := _acquire(path)) is None:
            if not wait:
                remedy = "Wait until it has ended, or choose another folder"
                raise StorageError("another run is using this folder", where=str(path.parent), remedy=remedy)
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows cannot remove an open file; a file that stays does no harm
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path) -> int | None:
    """Return the handle of the locked file, or None if the lock is held elsewhere."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        try_lock(handle)
        # The previous holder may have removed the file between our open and our lock; then the path names another file.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (*BUSY_ERRORS, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
