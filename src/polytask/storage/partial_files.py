"""Files that are being written: named apart, locked as long as their writers live, and deleted if their writers have died."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from contextlib import suppress
from glob import escape
from pathlib import Path

SUFFIX = ".part"
"""Ending of the names of partial files, which begin with a dot."""

UNSUPPORTED_ERRNOS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems

if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock an open file, and return whether it is locked now; raise one of `BUSY_ERRORS` if it is locked elsewhere."""
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        return True

    BUSY_ERRORS: tuple[type[OSError], ...] = (BlockingIOError, PermissionError)
else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock an open file, and return whether it is locked now; raise one of `BUSY_ERRORS` if it is locked elsewhere."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in UNSUPPORTED_ERRNOS:  # working without a lock is better than not working at all
                raise
            return False
        return True

    BUSY_ERRORS = (BlockingIOError,)

_LOCKS = os.name != "nt"
"""Whether partial files are locked. Windows needs no lock: it deletes no file that is open."""


def new_partial_file(path: Path) -> tuple[int, Path]:
    """Return the handle and the path of a new file next to `path`, which no `delete_partial_files` deletes until it is closed."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
        if not _LOCKS:
            return handle, Path(name)
        with suppress(*BUSY_ERRORS):  # another writer may take it for a leftover, and lock or delete it, before it is locked here
            try_lock(handle)
            if Path(name).exists():
                return handle, Path(name)
        os.close(handle)


def delete_partial_files(path: Path) -> None:
    """Delete the partial files of `path` that killed writers have left behind; none where files cannot be locked, as all may be in use.

    Args:
        path: File that is about to be written.
    """
    for part in path.parent.glob(f".{escape(path.name)}.*{SUFFIX}"):
        with suppress(OSError):
            _delete_unlocked(part)


def _delete_unlocked(part: Path) -> None:
    if not _LOCKS:
        part.unlink()
        return
    handle = os.open(part, os.O_RDWR)
    try:
        if try_lock(handle):
            part.unlink()
    finally:
        os.close(handle)
