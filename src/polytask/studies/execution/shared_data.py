"""What the workers of a study share: sources that each of them maps from files, and the permission to work."""

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
"""Arrays of fewer bytes travel with the job."""

PLAIN_TYPES = (bool, int, float, type(None), np.generic)


@dataclass(frozen=True)
class MappedArray:
    """An array in a file, row by row.

    Attributes:
        path: The file.
        dtype: Of its numbers.
        shape: Of the array.
        streamed: Whether it came from a file, as what does not fit into memory does: it is then read as such.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    streamed: bool

    def opened(self) -> Array:
        """The array, mapped: pages are read when they are touched, and shared by all processes of a computer."""
        with storage_errors(self.path):
            if self.streamed:
                return np.memmap(self.path, self.dtype, mode="c", shape=self.shape)
            with self.path.open("rb") as file:
                # Copied where it is written to, which it is not: so it need not be read-only, and tensors can take it as it is.
                return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class DictionaryArray:
    """An array of objects, most of which come many times, such as the words of labels.

    Attributes:
        codes: The place of each entry among the words.
        words: Each object once.
    """

    codes: Array | MappedArray
    words: Array

    def opened(self) -> Array:
        """The array: one object per word, however often it comes."""
        array: Array = self.words[_load_arrays(self.codes)]
        return array


@dataclass(frozen=True)
class SharedSources:
    """What the calls of one round of jobs have in common. It travels as the names of files, whatever the backend.

    Attributes:
        contents: Per source its fields; large arrays in files.
        permit: A file that is there as long as anybody wants the result; none where the work is done in one process.
    """

    contents: tuple[Mapping[str, Any], ...]
    permit: Path | None = None

    def sources(self) -> tuple[Source, ...]:
        """The sources, large arrays mapped."""
        return tuple(Source(**_load_arrays(content)) for content in self.contents)

    def check(self) -> None:
        """Refuse to go on where the run folder is not to be seen, or the run has ended.

        A worker of a cluster outlives a run that is interrupted, and must not write into a folder that another run may hold.

        Raises:
            StorageError: The permit is not there.
        """
        if self.permit is not None and not self.permit.exists():
            where = f"worker on {socket.gethostname()}, {self.permit.parents[1]}"
            remedy = "Choose a run folder (--out) on a file system that all workers share"
            raise StorageError("this worker does not see the run folder, or the run has ended", where=where, remedy=remedy)


@contextmanager
def share_sources(sources: Sequence[Source], parent: Path, backend: ParallelBackend) -> Iterator[SharedSources]:
    """Sources as workers get them, and the permission to work: both end with the context.

    Args:
        sources: What the jobs read.
        parent: The folder in which a folder is made for them.
        backend: Where the jobs run. This process needs no files; a cluster needs copies also of what lies in a file of this computer.

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
    # What a killed run leaves is deleted with all that is named so when the next one begins.
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
    """Puts large arrays into files of a folder."""

    def __init__(self, folder: Path, *, cluster: bool) -> None:
        self.folder, self.cluster, self.numbers = folder, cluster, count()

    def kept(self, value: Any) -> Any:  # noqa: ANN401 - a field of a source
        if isinstance(value, Mapping):
            return {name: self.kept(entry) for name, entry in value.items()}
        if not isinstance(value, np.ndarray) or value.nbytes < MAX_INLINE_BYTES:
            return value
        if value.dtype == object:
            return self._store_dictionary(value)
        # Processes of this computer map the file of an array that lies in one: joblib sees to it.
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
    """What tells entries apart: 1 is not True, and an object that is no plain value is like no other."""
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
