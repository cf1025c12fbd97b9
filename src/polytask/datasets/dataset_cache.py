"""Search for the files of data sets in $POLYTASK_DATA and the user's cache, and download missing files from their publishers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

from polytask.datasets.download import DownloadProgress, download, no_download_progress, verify_checksum
from polytask.datasets.remote_files import RemoteFile
from polytask.errors import DownloadError, StorageError

DATA_ENVIRONMENT_VARIABLE = "POLYTASK_DATA"


def cache_folder() -> Path:
    """Return the folder of downloaded files."""
    return user_cache_path("polytask")


def data_folders() -> list[Path]:
    """Return the folders to search, in this order: $POLYTASK_DATA if it is set, then the user's cache.

    Raises:
        StorageError: $POLYTASK_DATA is not an existing folder.
    """
    named = os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    if named and not Path(named).is_dir():
        raise StorageError(
            f"{DATA_ENVIRONMENT_VARIABLE} must be an existing folder",
            where=named,
            remedy=f"Correct {DATA_ENVIRONMENT_VARIABLE}, or unset it",
        )
    return ([Path(named)] if named else []) + [cache_folder()]


def find_local_file(file: RemoteFile) -> Path | None:
    """Return the local path of a file, compressed or not; `None` if it is not found."""
    candidates = (folder / file.folder / name for folder in data_folders() for name in (file.name, file.packed))
    return next((path for path in candidates if path.is_file()), None)


def fetch_dataset_files(files: Sequence[RemoteFile], progress: DownloadProgress = no_download_progress) -> dict[RemoteFile, Path]:
    """Return the local paths of files, downloading missing files into the cache.

    The checksums of files that are already there are verified too, and such files are never replaced.

    Args:
        files: Files to find.
        progress: Callback that reports the progress of downloads.

    Raises:
        DataError: The checksum of a local file does not match.
        DownloadError: A file is not found locally and cannot be downloaded.
        StorageError: The cache cannot be written to.
    """
    found = {file: find_local_file(file) for file in files}
    for file, path in found.items():
        if path is not None:
            verify_checksum(path, file)
    missing = [file for file, path in found.items() if path is None]
    for file in missing:
        try:
            found[file] = download(file, cache_folder() / file.folder, progress)
        except DownloadError as error:
            names = ", ".join(f"{missed.folder}/{missed.packed}" for missed in missing if find_local_file(missed) is None)
            remedy = f"Put {names} into {cache_folder()}, or into a folder that {DATA_ENVIRONMENT_VARIABLE} names"
            raise DownloadError(error.what, where=error.where, remedy=remedy) from None
    return {file: path for file, path in found.items() if path is not None}
