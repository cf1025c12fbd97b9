"""Data shared with the workers of a study: sources that workers map from files, and a permit file that ends their work."""

from __future__ import annotations

import mmap
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.memmap import is_memmap, iter_blocks
from polytask.errors import StorageError
from polytask.storage import make_folder, storage_errors
from polytask.studies.execution.parallel_backends import ParallelBackend

Array = NDArray[Any]

MAX_INLINE_BYTES = 2**16
"""Arrays with fewer bytes are sent with the job instead of stored in a file."""

PLAIN_TYPES = (bool, int, float, type(None), np.generic)


@dataclass(frozen=True)
class MappedArray:
    """An array in a file, in row-major order.

    Attributes:
        path: Path of the file.
        dtype: Data type of the array.
        shape: Shape of the array.
        streamed: Whether the array was memory-mapped from a file already (e.g. because it does not fit into memory); workers then open
            it as a `numpy.memmap` too.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    streamed: bool

    def opened(self) -> Array:
        """Return the mapped array: pages are read on access, and shared by all processes of a computer."""
        with storage_errors(self.path):
            if self.streamed:
                return np.memmap(self.path, self.dtype, mode="c", shape=self.shape)
            with self.path.open("rb") as file:
                # ACCESS_COPY makes the array writable without changing the file, so PyTorch can wrap it without a copy or a warning.
                return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class DictionaryArray:
    """An array of objects with many repeated values, such as the names of labels.

    Attributes:
        codes: Index in `words` of each entry.
        words: Distinct objects.
    """

    codes: Array | MappedArray
    words: Array

    def opened(self) -> Array:
        """Return the array; equal entries are the same object."""
        array: Array = self.words[_load_arrays(self.codes)]
        return array


@dataclass(frozen=True)
class SharedSources:
    """Sources shared by the calls of one round of jobs; large arrays are sent as names of files, with any backend.

    Attributes:
        contents: Fields of every source, with large arrays in files.
        permit: File that exists as long as the results are needed; `None` if all work is done in this process.
    """

    contents: tuple[Mapping[str, Any], ...]
    permit: Path | None = None

    def sources(self) -> tuple[Source, ...]:
        """Return the sources, with large arrays mapped from files."""
        return tuple(Source(**_load_arrays(content)) for content in self.contents)

    def check(self) -> None:
        """Check that this worker sees the run folder and that the run has not ended.

        A worker of a cluster outlives an interrupted run, and must not write into a folder that another run may use.

        Raises:
            StorageError: The permit file does not exist.
        """
        if self.permit is not None and not self.permit.exists():
            where = f"worker on {socket.gethostname()}, {self.permit.parents[1]}"
            remedy = "Choose a run folder (--out) on a file system that all workers share"
            raise StorageError("this worker does not see the run folder, or the run has ended", where=where, remedy=remedy)


@contextmanager
def share_sources(sources: Sequence[Source], parent: Path, backend: ParallelBackend) -> Iterator[SharedSources]:
    """Share sources with workers; their files and the permit file are deleted when the context ends.

    Args:
        sources: Sources that the jobs read.
        parent: Folder in which a temporary folder for the files is made.
        backend: Backend that runs the jobs. In this process no files are needed; for a cluster, arrays that are mapped from files of this
            computer are copied too.

    Raises:
        StorageError: The files cannot be written.

    Example:
        >>> import tempfile
        >>> from polytask.studies.execution.parallel_backends import choose_backend
        >>> source = Source("toy", np.zeros((5_000, 8), "float32"), {"kind": np.array(["a", "b"] * 2_500, dtype=object)})
        >>> with share_sources([source], Path(tempfile.mkdtemp()), choose_backend(3, workers=2)) as common:
        ...     (found,) = common.sources()
        >>> type(common.contents[0]["inputs"]).__name__, found.labels["kind"][:2].tolist()
        ('MappedArray', ['a', 'b'])
    """
    if backend.runs_in_process:
        yield SharedSources(tuple(_source_fields(source) for source in sources))
        return
    # The name ends in .part, so that the folder of a killed run is deleted when the run is resumed.
    folder = parent.absolute() / f".shared-{uuid.uuid4().hex}.part"
    make_folder(folder)
    permit = folder / "permit"
    try:
        writer = _ArrayWriter(folder, cluster=backend.is_cluster)
        contents = tuple(writer.kept(_source_fields(source)) for source in sources)
        with storage_errors(permit):
            permit.touch()
        yield SharedSources(contents, permit)
    finally:
        permit.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


class _ArrayWriter:
    """Writer of large arrays into files of a folder."""

    def __init__(self, folder: Path, *, cluster: bool) -> None:
        self.folder, self.cluster, self.numbers = folder, cluster, count()

    def kept(self, value: Any) -> Any:  # noqa: ANN401 - a field of a source
        if isinstance(value, Mapping):
            return {name: self.kept(entry) for name, entry in value.items()}
        if not isinstance(value, np.ndarray) or value.nbytes < MAX_INLINE_BYTES:
            return value
        if value.dtype == object:
            return self._store_dictionary(value)
        # joblib lets the processes of this computer map the file of a memory-mapped array.
        return value if is_memmap(value) and not self.cluster else self._store_mapped(value)

    def _store_mapped(self, array: Array) -> MappedArray:
        path = self.folder / f"{next(self.numbers)}.rows"
        with storage_errors(path), path.open("wb") as file:
            for block in iter_blocks(array):
                file.write(block.tobytes())
        return MappedArray(path, array.dtype, array.shape, is_memmap(array))

    def _store_dictionary(self, array: Array) -> Array | DictionaryArray:
        places: dict[object, int] = {}
        codes = np.fromiter((places.setdefault(_entry_key(entry), len(places)) for entry in array.flat), dtype=np.int32, count=array.size)
        if 2 * len(places) > array.size:
            return array
        _, first = np.unique(codes, return_index=True)
        return DictionaryArray(self.kept(codes.reshape(array.shape)), array.ravel()[first])


def _entry_key(entry: object) -> object:
    """Return a key that identifies equal entries: 1 and True differ, and objects other than plain values equal only themselves."""
    if type(entry) is str:
        return entry
    if isinstance(entry, PLAIN_TYPES) or (type(entry) is tuple and all(isinstance(part, (*PLAIN_TYPES, str)) for part in entry)):
        return type(entry), repr(entry)
    return id(entry), None


def _source_fields(source: Source) -> dict[str, Any]:
    return {entry.name: getattr(source, entry.name) for entry in fields(source)}


def _load_arrays(value: Any) -> Any:  # noqa: ANN401 - what a writer kept
    if isinstance(value, Mapping):
        return {name: _load_arrays(entry) for name, entry in value.items()}
    return value.opened() if isinstance(value, MappedArray | DictionaryArray) else value
