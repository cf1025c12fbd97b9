"""One process at a time, by a lock that the operating system takes back when its holder dies."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polytask.errors import StorageError
from polytask.storage.atomic import storage_errors

SECONDS_BETWEEN_LOOKS = 0.2
NO_LOCKS_HERE = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    BUSY: tuple[type[OSError], ...] = (BlockingIOError, PermissionError)
else:
    import fcntl

    def _take(handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in NO_LOCKS_HERE:  # there, better to work without than not at all
                raise

    BUSY = (BlockingIOError,)


@contextmanager
def alone(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file at `path` while another process, or another thread, does not.

    A lock file that nobody holds, such as one that a killed process left, is no obstacle.

    Args:
        path: The lock file; it is made, and removed afterwards.
        wait: Until it is free; otherwise a lock that somebody holds is refused.

    Raises:
        StorageError: The lock file cannot be made, or somebody holds it and shall not be waited for.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with alone(folder / "lock"):
        ...     [entry.name for entry in folder.iterdir()]
        ['lock']
        >>> list(folder.iterdir())
        []
    """
    with storage_errors(path):
        while (handle := _held(path)) is None:
            if not wait:
                remedy = "Wait until it has ended, or choose another folder"
                raise StorageError("another run is at work in this folder", where=str(path.parent), remedy=remedy)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file: there it stays, and does no harm
            path.unlink(missing_ok=True)
        os.close(handle)


def _held(path: Path) -> int | None:
    """An open file with the lock on it, or None if somebody else has it."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        _take(handle)
        # The holder before us removes the file: then what we have locked is no longer what others find under this name.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (*BUSY, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
