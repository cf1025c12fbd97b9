"""Real data by name, with checksums, and the small samples that ship in the wheel."""

from __future__ import annotations

from polytask.data import Sources
from polytask.datasets.base import Dataset
from polytask.datasets.download import DownloadProgress, no_download_progress
from polytask.registry.resolve import resolve
from polytask.tasks import Task

__all__ = ["Dataset", "get_dataset", "load_dataset"]


def get_dataset(name: str, size: str | None = None) -> Dataset:
    """The built-in data set of that name.

    Raises:
        ConfigError: There is none, or not in that size.
    """
    found: Dataset = resolve("data set", name).build(size)
    return found


def load_dataset(
    name: str = "mnist-fashion", size: str | None = None, progress: DownloadProgress = no_download_progress
) -> tuple[Sources, tuple[Task, ...]]:
    """Training sources and tasks of a built-in data set; the sources keep the door to the test rows shut.

    Args:
        name: Of the data set.
        size: `sample` ships with polytask; `full` is looked for, or fetched. By default the first that there is.
        progress: Is told how far fetching is.

    Raises:
        ConfigError: There is no such data set or size.
        DownloadError: It is not there and cannot be fetched.

    Example:
        >>> sources, tasks = load_dataset("mnist-fashion")
        >>> [source.name for source in sources], [task.name for task in tasks]
        (['mnist', 'fashion-mnist'], ['digit', 'garment'])
    """
    chosen = get_dataset(name, size)
    chosen.fetch(progress)
    return Sources(chosen.training(), chosen.test), chosen.tasks()
