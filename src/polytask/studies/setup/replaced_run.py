"""Replacement of a finished run: it is moved aside while another run is written to its folder, and deleted when that one has finished."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polytask.errors import StorageError
from polytask.options import NetworkConfig, TrainConfig
from polytask.run_files import ModelIndex
from polytask.run_files.file_descriptions import FILE_DESCRIPTIONS
from polytask.run_files.model_index import MODEL_INDEX
from polytask.storage import storage_errors
from polytask.studies.setup.run_folder import LOCK_FILE, RunFolder

_STATE = r"(manifest\.json|values\.json|tensors\.safetensors)"
_CHECKPOINT_FILES = (
    r"unfinished",
    r"test-openings\.json",
    r"look-\d+/(predictions|results)\.parquet",
    r"([^/]+/)+(progress\.json|status\.json|measured\.json|\.lock)",
    rf"([^/]+/)+(network|state)/{_STATE}",
    r"([^/]+/)*\.[^/]+\.(part|old)(/.*)?",  # what a killed process leaves
)
"""Files below `checkpoints/`, as regular expressions."""
_SHARE = re.compile(r"(shares/[0-9.e-]+)/")


@contextmanager
def replaced_run(path: Path, reads: Iterable[Path] = ()) -> Iterator[Path | None]:
    """Move a finished run aside during the block, so that another run can be written to its folder.

    The run is moved to a new folder next to its own. If the other run has finished at the end of the block, the moved run is deleted. If
    the other run has not begun (its `run.yaml` does not exist), the moved run is moved back. Otherwise it stays where it is, since the
    folder holds an unfinished run that can be resumed.

    Args:
        path: Folder of the run; a folder that is new or empty is left as it is.
        reads: Files and folders that the other run reads.

    Yields:
        The folder that the run was moved to; `None` if there was none.

    Raises:
        StorageError: Another run uses the folder, it holds no finished run or something that polytask did not write, or the other run
            reads a file in it.
    """
    folder = RunFolder(path)
    aside = _move_aside(folder, reads)
    try:
        yield aside
    finally:
        if aside is not None:
            _settle(folder, aside)


def files_read(config: NetworkConfig) -> tuple[Path, ...]:
    """Return the files that a run reads."""
    start = config.init_from if isinstance(config, TrainConfig) else None
    tables = (file for table in config.tables.values() for file in (table.file, table.test_file, table.text_encoder))
    given = [start, config.training.initial_weights, *tables]
    return tuple(Path(file) for file in given if file)


def _move_aside(folder: RunFolder, reads: Iterable[Path]) -> Path | None:
    if not folder.path.exists():
        return None
    with folder.alone():
        if not folder.entries():
            return None
        _check_replaceable(folder)
        path = folder.path.resolve()
        for file in reads:
            if file.resolve().is_relative_to(path):
                remedy = "Choose another --out"
                raise StorageError("the new run reads a file in the folder that it would replace", where=str(file), remedy=remedy)
        with storage_errors(path.parent):
            aside = Path(tempfile.mkdtemp(prefix=f"{path.name}-replaced-", dir=path.parent))
        try:
            _move(folder.entries(), aside)
        except BaseException:  # also Ctrl-C between two files
            _move_back(aside, folder)
            raise
        return aside


def _move(entries: Iterable[Path], folder: Path) -> None:
    with storage_errors(folder):
        for entry in entries:
            shutil.move(entry, folder / entry.name)


def _settle(folder: RunFolder, aside: Path) -> None:
    """Delete the run that was moved aside if the other run has finished, and move it back if the other run has not begun."""
    with suppress(StorageError), folder.alone():  # where it cannot be moved back, or another run took the folder, it stays aside
        if folder.finished:
            shutil.rmtree(aside, ignore_errors=True)
        elif not folder.config.exists():
            for entry in folder.entries():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            _move_back(aside, folder)


def _move_back(aside: Path, folder: RunFolder) -> None:
    _move(list(aside.iterdir()), folder.path)
    aside.rmdir()


def _check_replaceable(folder: RunFolder) -> None:
    """Check that a locked folder holds a finished run of polytask, and nothing else.

    Raises:
        StorageError: It holds something else; the message names it.
    """
    files = sorted(file.relative_to(folder.path).as_posix() for file in folder.path.rglob("*") if file.is_symlink() or not file.is_dir())
    if foreign := _foreign(files, folder):
        what, remedy = (
            "only a run of polytask is overwritten, and this folder holds something else",
            "Choose another --out, or move it away",
        )
        raise StorageError(what, where=str(folder.path), found=", ".join(foreign[:3]), remedy=remedy)
    if not folder.finished or not (folder.judged.exists() or "polytask" in folder.read_environment()):
        what, remedy = (
            "only a finished run of polytask is overwritten",
            "Run its command again without --overwrite to resume it, or delete the folder",
        )
        raise StorageError(what, where=str(folder.path), found=", ".join(files[:3]), remedy=remedy)


def _foreign(files: Iterable[str], folder: RunFolder) -> list[str]:
    """Return the files, relative to the folder, that no run writes; each share of a learning curve is a run in a folder of its own."""
    own, shares = [], dict[str, list[str]]()
    for file in files:
        share = _SHARE.match(file)
        shares.setdefault(share[1], []).append(file[share.end() :]) if share else own.append(file)
    inner = [f"{name}/{file}" for name, held in shares.items() for file in _foreign_in_run(held, RunFolder(folder.path / name))]
    return [*_foreign_in_run(own, folder), *inner]


def _foreign_in_run(files: Iterable[str], folder: RunFolder) -> list[str]:
    """Return the files, relative to the folder of one run, that it does not write."""
    index = folder.model / MODEL_INDEX
    networks = [network.folder for network in ModelIndex.read(index).networks] if index.exists() else []
    written = [
        *(re.escape(name) for name in (*FILE_DESCRIPTIONS, LOCK_FILE)),
        re.escape(folder.frame.relative_to(folder.path).as_posix()),
        re.escape(f"{folder.model.name}/{MODEL_INDEX}"),
        *(rf"{folder.model.name}/{re.escape(name)}/{_STATE}" for name in networks),
        *(f"{folder.checkpoints.name}/{pattern}" for pattern in _CHECKPOINT_FILES),
    ]
    ours = re.compile("|".join(f"({pattern})" for pattern in written))
    return [file for file in files if not ours.fullmatch(file)]
