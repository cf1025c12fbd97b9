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
from polytask.storage.atomic_write import storage_errors

POLL_SECONDS = 0.2
UNSUPPORTED_ERRNOS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    BUSY_ERRORS: tuple[type[OSError], ...] = (BlockingIOError, PermissionError)
else:
    import fcntl

    def _try_lock(handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in UNSUPPORTED_ERRNOS:  # there, better to work without than not at all
                raise

    BUSY_ERRORS = (BlockingIOError,)


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
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
                raise StorageError("another run is at work in this folder", where=str(path.parent), remedy=remedy)
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file: there it stays, and does no harm
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path) -> int | None:
    """An open file with the lock on it, or None if somebody else has it."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        _try_lock(handle)
        # The holder before us removes the file: then what we have locked is no longer what others find under this name.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (*BUSY_ERRORS, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
