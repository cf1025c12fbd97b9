"""Resumable download of a single file, which gets its final name only after its checksum is verified."""

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
"""Callback with the file's folder and name, the bytes downloaded so far, and the total number of bytes (`None` if unknown)."""

CHUNK_BYTES = 1 << 16
READ_TIMEOUT_SECONDS = 20.0
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416


def no_download_progress(name: str, done: int, total: int | None) -> None:
    """Ignore the progress of downloads."""
    del name, done, total


def download(
    file: RemoteFile, folder: Path, progress: DownloadProgress = no_download_progress, timeout: float = READ_TIMEOUT_SECONDS
) -> Path:
    """Download a file from the first mirror with the correct content.

    The compressed file is written under a temporary name. If the connection breaks, the next mirror or the next call resumes the download.
    The file is renamed once its decompressed content has the correct checksum. Another process that downloads the same file waits until
    the first has finished.

    Args:
        file: File to download.
        folder: Folder in which to store the file.
        progress: Callback that reports the progress.
        timeout: Seconds without data after which to give up on a mirror.

    Returns:
        Path of the compressed file.

    Raises:
        DownloadError: No mirror has the correct content; the message says which file to put where.
        StorageError: The folder cannot be written to.
    """
    if not file.mirrors:
        raise DownloadError(
            "no download address is known for this file", where=f"{file.folder}/{file.name}", remedy=f"Put the file into {folder}"
        )
    make_folder(folder)
    target, partial = folder / file.packed, folder / f".{file.packed}.part"
    reasons: list[str] = []
    with exclusive_lock(folder / f".{file.packed}.lock"):
        if target.exists():  # another process has downloaded it in the meantime
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
    """Download from one mirror, keeping the partial file if the connection breaks.

    Returns:
        `None` if the content is correct, otherwise the reason of the failure.
    """
    for _ in range(2):  # first resume a partial file; if the result is wrong, start over once
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
    return "its checksum is wrong"


def verify_checksum(path: Path, file: RemoteFile) -> None:
    """Verify size and SHA-256 of the decompressed content.

    Raises:
        DataError: The file is damaged, or its content is not that of the publisher.
    """
    content = read_decompressed(path, file.bytes)
    if len(content) != file.bytes or hashlib.sha256(content).hexdigest() != file.sha256:
        found = f"{len(content):,} bytes with another checksum"
        what = "the content is not that of the publisher's file"
        raise DataError(what, where=str(path), found=found, remedy="Delete the file and download it again")


def _fetch(address: str, partial: Path, file: RemoteFile, progress: DownloadProgress, silence: float) -> None:
    """Download the missing part of the compressed file.

    Raises:
        DataError: The server sends more bytes than the file can have.
    """
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310 - addresses are constants of this package
    try:
        response = urllib.request.urlopen(request, timeout=silence)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE:  # the partial file is complete or too long: the checksum decides
            return
        raise _ConnectionLost(f"{error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(str(getattr(error, "reason", None) or error or type(error).__name__)) from error
    with response:
        if response.status != PARTIAL_CONTENT:
            done = 0  # the server ignores the range and sends the whole file
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        with storage_errors(partial), partial.open("ab" if done else "wb") as out:
            while chunk := _read(response):
                done += len(chunk)
                if done > file.bytes:  # compression does not enlarge these files: stop an endless response
                    raise DataError("larger than the expected file", where=address)
                out.write(chunk)
                progress(f"{file.folder}/{file.packed}", done, total)
            out.flush()
            os.fsync(out.fileno())
    if total is not None and done < total:
        raise _ConnectionLost(f"broke off after {done:,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read the next chunk, converting network errors so that they are not reported as errors of the disk written to."""
    try:
        return response.read1(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(str(error) or type(error).__name__) from error


class _ConnectionLost(Exception):  # noqa: N818 - internal to this module
    """A connection failed or broke off."""
