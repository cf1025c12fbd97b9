"""Fetching one file: resumed where it broke off, checked, and in its place only when it is right."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from polytask.datasets.idx_format import read_decompressed
from polytask.datasets.remote_files import RemoteFile
from polytask.errors import DataError, DownloadError
from polytask.storage import exclusive_lock, make_folder, storage_errors

DownloadProgress = Callable[[str, int, int | None], None]
"""Told the file's folder and name, the bytes there are, and the bytes there will be, if that is known."""

CHUNK_BYTES = 1 << 16
READ_TIMEOUT_SECONDS = 20.0
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416


def no_download_progress(name: str, done: int, total: int | None) -> None:
    """Nobody watches."""
    del name, done, total


def download(
    file: RemoteFile, folder: Path, progress: DownloadProgress = no_download_progress, timeout: float = READ_TIMEOUT_SECONDS
) -> Path:
    """Fetch a file from the first mirror that has it right, and return where it is.

    The packed file grows under a temporary name, which keeps what has come when the connection breaks: the next mirror, or
    the next call, goes on there. It gets its own name when its unpacked content has the right checksum. A second process
    that wants the same file waits for the first.

    Args:
        file: What to fetch.
        folder: Where it goes.
        progress: Is told how far it is.
        timeout: Seconds without a byte after which a mirror is given up.

    Raises:
        DownloadError: No mirror gave the right content; the message says which file to put where.
        StorageError: The folder cannot be written to.
    """
    if not file.mirrors:
        raise DownloadError(
            "not given out by anybody in this form", where=f"{file.folder}/{file.name}", remedy=f"Put the file into {folder}"
        )
    make_folder(folder)
    target, partial = folder / file.packed, folder / f".{file.packed}.part"
    reasons: list[str] = []
    with exclusive_lock(folder / f".{file.packed}.lock"):
        if target.exists():  # another process was first
            return target
        for mirror in file.mirrors:
            reason = _download_from(f"{mirror}{file.packed}", partial, file, progress, timeout)
            if reason is None:
                with storage_errors(target):
                    partial.replace(target)
                return target
            reasons.append(f"{mirror}: {reason}")
    raise DownloadError(
        f"cannot be fetched ({'; '.join(reasons)})",
        where=f"{file.folder}/{file.packed}",
        remedy=f"Put the file into {folder}",
    )


def _download_from(address: str, partial: Path, file: RemoteFile, progress: DownloadProgress, silence: float) -> str | None:
    """Fetch from one mirror: None if the content is right, else why not. What a broken connection left stays for the next."""
    for _ in range(2):  # once on what an earlier attempt left, and once afresh if that was no good
        resumed = partial.exists() and partial.stat().st_size > 0
        try:
            _fetch(address, partial, file, progress, silence)
            verify_checksum(partial, file)
        except DataError as error:
            partial.unlink(missing_ok=True)
            if not resumed:
                return error.what
        except _ConnectionLost as error:
            return str(error)
        else:
            return None
    return "its content is wrong"


def verify_checksum(path: Path, file: RemoteFile) -> None:
    """Check the unpacked content.

    Raises:
        DataError: It is damaged, or not what its publisher gave out.
    """
    content = read_decompressed(path, file.bytes)
    if len(content) != file.bytes or hashlib.sha256(content).hexdigest() != file.sha256:
        found = f"{len(content):,} bytes of another content"
        what = "this is not the file that its publisher gave out"
        raise DataError(what, where=str(path), found=found, remedy="Delete it and fetch it again")


def _fetch(address: str, partial: Path, file: RemoteFile, progress: DownloadProgress, silence: float) -> None:
    """Add what is missing of the packed file."""
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310 - addresses are ours
    try:
        response = urllib.request.urlopen(request, timeout=silence)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE:  # all of it is there, or more than all: the checksum will tell
            return
        raise _ConnectionLost(f"{error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(str(getattr(error, "reason", None) or error or type(error).__name__)) from error
    with response:
        if response.status != PARTIAL_CONTENT:
            done = 0  # the server does not resume: it starts again, and so do we
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        with storage_errors(partial), partial.open("ab" if done else "wb") as out:
            while chunk := _read(response):
                done += len(chunk)
                if done > file.bytes:  # none of these files grows by being packed: somebody feeds us without end
                    raise DataError("longer than the file can be", where=address)
                out.write(chunk)
                progress(f"{file.folder}/{file.packed}", done, total)
            out.flush()
            os.fsync(out.fileno())
    if total is not None and done < total:
        raise _ConnectionLost(f"broke off after {done:,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next chunk. What the network does wrong must not look like a fault of the disk that is written to."""
    try:
        return response.read1(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(str(error) or type(error).__name__) from error


class _ConnectionLost(Exception):  # noqa: N818 - it says what happened, and never leaves this file
    """The connection could not be made, or broke."""
