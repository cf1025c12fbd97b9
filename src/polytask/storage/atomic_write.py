"""Atomic file writes: a reader finds the old content or the new, never a part of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polytask.errors import PolytaskError, StorageError
from polytask.storage.partial_files import delete_partial_files, new_partial_file

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "Free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again"),
    errno.EACCES: ("no permission to write", "Choose another folder"),
    errno.EPERM: ("no permission to write", "Choose another folder"),
    errno.EROFS: ("the file system is read-only", "Choose another folder"),
    errno.ENOTDIR: ("a file exists where a folder is needed", "Choose another folder"),
    errno.EEXIST: ("a file exists where a folder is needed", "Choose another folder"),
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn every `OSError` raised in the block into a `StorageError` with a one-line message.

    Args:
        path: File or folder that the message names.

    Raises:
        StorageError: An operation of the block failed in the operating system.
    """
    try:
        yield
    except (PolytaskError, BrokenPipeError):
        raise  # the first has its message already; a closed pipe is not a storage error
    except OSError as error:
        what, remedy = _CAUSES.get(error.errno or 0, ("cannot be written or read", ""))
        raise StorageError(what, where=str(path), found=error.strerror or error, remedy=remedy) from error


def make_folder(path: Path) -> None:
    """Create a folder and its parents if they do not exist.

    Raises:
        StorageError: The folder cannot be created.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    The folder is created if needed. Partial files that killed writers of the same file have left behind are deleted.

    Raises:
        StorageError: The disk is full, the folder is not writable, …; the old content is left as it was.
    """
    make_folder(path.parent)
    with storage_errors(path):
        delete_partial_files(path)
        handle, temporary = new_partial_file(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                temporary.chmod(0o666 & ~_umask())
                if os.name != "nt":
                    temporary.replace(path)  # the file is locked until it has its name
            if os.name == "nt":
                temporary.replace(path)  # Windows renames no open file
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically, as `write_bytes` does."""
    write_bytes(path, content.encode())


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    current = os.umask(0)
    os.umask(current)
    return current
