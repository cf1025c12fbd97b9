"""Base class of the built-in data sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
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
    """Base class of the built-in data sets.

    Args:
        size: "sample" ships with polytask; "full" is searched for locally and downloaded if it is not found. `None` means the first entry
            of `sizes`.

    Attributes:
        name: Name of the data set.
        files: Files of the full size.
        plan: Training options of commands that name the data set, unless others or a preset are given.
        study_plan: Options of studies that name the data set: arms, and the looks at the test data unless seeds or minutes are given.

    Raises:
        ConfigError: The data set does not have this size.
    """

    component_group = "data set"
    name: ClassVar[str]
    files: ClassVar[tuple[RemoteFile, ...]]
    plan: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    study_plan: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    sizes: ClassVar[tuple[str, ...]] = SIZES
    """Available sizes of the data set; the first is the default."""

    def __init__(self, size: str | None = None) -> None:
        if size is not None and size not in self.sizes:
            raise ConfigError("unknown size", where=f"data set {self.name!r}, {size!r}", remedy=nearest(size, self.sizes))
        self.size = size or self.sizes[0]

    def fetch(self, progress: DownloadProgress = no_download_progress) -> None:
        """Download the files that are not found locally; the sample needs none.

        Args:
            progress: Callback that reports the progress of downloads.

        Raises:
            DownloadError: A file cannot be downloaded.
            StorageError: The cache cannot be written to.
        """
        if self.size != SAMPLE:
            fetch_dataset_files([file for file in self.files if find_local_file(file) is None], progress)

    @abstractmethod
    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks."""

    @abstractmethod
    def training(self) -> tuple[Source, ...]:
        """Return the sources of training rows."""

    @abstractmethod
    def test(self) -> tuple[Source, ...]:
        """Return the sources of test rows."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return a description of the data set as JSON-compatible data."""
