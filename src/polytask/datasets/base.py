"""What every built-in data set has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from polytask.data import Source
from polytask.datasets.dataset_cache import fetch_dataset_files, find_local_file
from polytask.datasets.download import DownloadProgress, no_download_progress
from polytask.datasets.remote_files import RemoteFile
from polytask.errors import ConfigError
from polytask.registry import Component, nearest
from polytask.tasks import Task

SAMPLE, FULL = "sample", "full"
SIZES = (SAMPLE, FULL)


class Dataset(Component, ABC):
    """Real data by name.

    Args:
        size: `sample` ships with polytask; `full` is looked for, or fetched. By default the first that there is.

    Raises:
        ConfigError: There is no such size.
    """

    component_group = "data set"
    name: ClassVar[str]
    files: ClassVar[tuple[RemoteFile, ...]]
    sizes: ClassVar[tuple[str, ...]] = SIZES
    """In which sizes there is this data set: the first is taken unless another is named."""

    def __init__(self, size: str | None = None) -> None:
        if size is not None and size not in self.sizes:
            raise ConfigError("unknown size", where=f"data set {self.name!r}, {size!r}", remedy=nearest(size, self.sizes))
        self.size = size or self.sizes[0]

    def fetch(self, progress: DownloadProgress = no_download_progress) -> None:
        """Download what is not there of the files; the sample needs none.

        Args:
            progress: Is told how far it is.

        Raises:
            DownloadError: A file cannot be fetched.
            StorageError: The cache cannot be written to.
        """
        if self.size != SAMPLE:
            fetch_dataset_files([file for file in self.files if find_local_file(file) is None], progress)

    @abstractmethod
    def tasks(self) -> tuple[Task, ...]:
        """What there is to predict."""

    @abstractmethod
    def training(self) -> tuple[Source, ...]:
        """The training rows."""

    @abstractmethod
    def test(self) -> tuple[Source, ...]:
        """The test rows."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What it is, as plain data."""
