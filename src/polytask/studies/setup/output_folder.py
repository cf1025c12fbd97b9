"""The folder that a command writes to: the next free one if none is given, and the replacement of a finished run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from polytask.errors import PolytaskError, StorageError
from polytask.options import NetworkConfig
from polytask.options.train_config import Config
from polytask.run_files.file_descriptions import FILE_DESCRIPTIONS
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


def replace_finished(path: Path, config: NetworkConfig | None = None) -> None:
    """Empty the folder of a finished run, so that another run can be written to it; a folder that is new or empty is left as it is.

    Args:
        path: Folder of the run.
        config: Configuration of the other run, which must not read anything in the folder.

    Raises:
        StorageError: Another run uses the folder, it holds no finished run or something that polytask did not write, or the other run
            reads a file in it.
    """
    folder = RunFolder(path)
    if not path.exists():
        return
    with folder.alone():
        entries = folder.entries()
        if not entries:
            return
        _check_replaceable(folder, [entry.name for entry in entries])
        for file in _files_read(config):
            if file.resolve().is_relative_to(path.resolve()):
                remedy = "Choose another --out"
                raise StorageError("the new run reads a file in the folder that it would replace", where=str(file), remedy=remedy)
        with storage_errors(path):
            old = Path(tempfile.mkdtemp(prefix=".replaced.", suffix=".part", dir=path))
            for entry in entries:  # renaming is quick, so that hardly any kill leaves a part of the old run under its names
                entry.rename(old / entry.name)
            shutil.rmtree(old)


def _check_replaceable(folder: RunFolder, names: list[str]) -> None:
    """Check that a locked folder holds a finished run of polytask, and nothing else."""
    foreign = sorted(set(names) - FILE_DESCRIPTIONS.keys())
    if foreign:
        what, remedy = (
            "only a run of polytask is overwritten, and this folder holds something else",
            "Choose another --out, or move it away",
        )
        raise StorageError(what, where=str(folder.path), found=", ".join(foreign[:3]), remedy=remedy)
    if not folder.finished or not (folder.judged.exists() or "polytask" in folder.read_environment()):
        what, remedy = "only a finished run of polytask is overwritten", "Run its command again to resume it, or delete the folder"
        raise StorageError(what, where=str(folder.path), found=", ".join(sorted(names)[:3]), remedy=remedy)


def _files_read(config: NetworkConfig | None) -> Iterator[Path]:
    """Yield the files that a run reads."""
    if config is None:
        return
    given = [config.training.initial_weights, *(file for table in config.tables.values() for file in (table.file, table.test_file))]
    yield from (Path(file) for file in given if file)
