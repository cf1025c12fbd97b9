"""Built-in data sets with checksums; the wheel contains small samples of some."""

from __future__ import annotations

from polytask.data import Sources
from polytask.datasets.base import Dataset
from polytask.datasets.download import DownloadProgress, no_download_progress
from polytask.registry.resolve import resolve
from polytask.tasks import Task

__all__ = ["Dataset", "get_dataset", "load_dataset"]


def get_dataset(name: str | type[Dataset] | Dataset, size: str | None = None) -> Dataset:
    """Return the built-in data set with the given name.

    Args:
        name: Name or import path of the data set, its class, or an object.
        size: "sample" or "full"; `None` means the first size that the data set has.

    Raises:
        ConfigError: There is no such data set, or it does not have this size.
    """
    found: Dataset = resolve("data set", name).build(size=size)
    return found


def load_dataset(
    name: str | type[Dataset] | Dataset = "mnist-fashion", size: str | None = None, progress: DownloadProgress = no_download_progress
) -> tuple[Sources, tuple[Task, ...]]:
    """Load the training sources and the tasks of a built-in data set; test rows are not read before `Sources.open_test` is called.

    Args:
        name: Name or import path of the data set, its class, or an object.
        size: "sample" ships with polytask; "full" is searched for locally and downloaded if it is not found. `None` means the first size
            that the data set has.
        progress: Callback that reports the progress of downloads.

    Returns:
        Training sources and tasks.

    Raises:
        ConfigError: There is no such data set or size.
        DownloadError: A file is not found locally and cannot be downloaded.

    Example:
        >>> sources, tasks = load_dataset("mnist-fashion")
        >>> [source.name for source in sources], [task.name for task in tasks]
        (['mnist', 'fashion-mnist'], ['digit', 'garment'])
    """
    chosen = get_dataset(name, size)
    chosen.fetch(progress)
    return Sources(chosen.training(), chosen.test), chosen.tasks()
