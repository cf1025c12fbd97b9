"""MNIST and Fashion-MNIST as two sources of one multi-task problem."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source
from polytask.datasets.base import SAMPLE, Dataset
from polytask.datasets.dataset_cache import fetch_dataset_files
from polytask.datasets.idx_format import read_idx
from polytask.datasets.remote_files import RemoteFile, find_remote_file, remote_files_in
from polytask.tasks import Multiclass, Task

DIGITS = tuple(range(10))
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
TASK_OF_SOURCE = {"mnist": "digit", "fashion-mnist": "garment"}
CLASSES: dict[str, tuple[int, ...] | tuple[str, ...]] = {"digit": DIGITS, "garment": GARMENTS}


@final
class MnistFashion(Dataset):
    """Two sources of 28x28 gray images: `mnist` labels the task `digit`, `fashion-mnist` the task `garment`.

    No row has both labels. The sample has 2,000 training and 4,000 test images per source, balanced over the classes; the full size has
    60,000 and 10,000. Units are the positions of the images in the publishers' files, from 0.

    Example:
        >>> mnist, fashion = MnistFashion().training()
        >>> mnist.inputs.shape, fashion.tasks
        ((2000, 1, 28, 28), ('garment',))
    """

    name: ClassVar[str] = "mnist-fashion"
    files: ClassVar[tuple[RemoteFile, ...]] = remote_files_in("mnist", "fashion-mnist")
    plan: ClassVar[Mapping[str, Any]] = MappingProxyType({"epochs": 12, "batch_size": 64, "keep": "last"})
    study_plan: ClassVar[Mapping[str, Any]] = MappingProxyType({"arms": ("single", "equal"), "looks": (5, 8, 12)})

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks `digit` and `garment`."""
        return tuple(Multiclass(name=task, classes=classes) for task, classes in CLASSES.items())

    def training(self) -> tuple[Source, ...]:
        """Return both sources of training rows; for the full size, all missing files are downloaded first."""
        self.fetch()
        return tuple(self._source(source, "train") for source in TASK_OF_SOURCE)

    def test(self) -> tuple[Source, ...]:
        """Return both sources of test rows."""
        return tuple(self._source(source, "t10k") for source in TASK_OF_SOURCE)

    def describe(self) -> dict[str, Any]:
        """Return a description of the data set as JSON-compatible data."""
        training, test = (2_000, 4_000) if self.size == SAMPLE else (60_000, 10_000)
        rows = dict.fromkeys(TASK_OF_SOURCE, f"{training:,} training and {test:,} test images, 28x28, gray")
        tasks = {f"task {task}": f"{len(classes)} classes: {', '.join(map(str, classes))}" for task, classes in CLASSES.items()}
        return {
            "name": self.name,
            "size": self.size,
            **{f"source {source}": text for source, text in rows.items()},
            **tasks,
            "license": "MNIST: CC BY-SA 3.0; Fashion-MNIST: MIT",
            "from": "LeCun, Cortes & Burges (MNIST); Xiao, Rasul & Vollgraf, Zalando SE (Fashion-MNIST, arXiv 1708.07747)",
        }

    def _source(self, source: str, part: str) -> Source:
        images, codes, units = load_sample_part(source, part) if self.size == SAMPLE else load_full_part(source, part)
        task = TASK_OF_SOURCE[source]
        labels = np.asarray(CLASSES[task])[codes]
        return Source(source, images[:, np.newaxis], {task: labels}, units)


ImagePart = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]


def load_sample_part(source: str, part: str) -> ImagePart:
    """Load images (N, 28, 28), class codes (N,) and units (N,) from the sample that ships with polytask."""
    with (files("polytask.datasets") / "samples" / f"{source}.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return arrays[f"{part}_images"], arrays[f"{part}_labels"], arrays[f"{part}_units"].astype(np.int64)


def load_full_part(source: str, part: str) -> ImagePart:
    """Load images (N, 28, 28), class codes (N,) and units (N,) from the publishers' files, downloading missing files."""
    image_file, label_file = (find_remote_file(source, f"{part}-{name}-ubyte") for name in ("images-idx3", "labels-idx1"))
    paths = fetch_dataset_files([image_file, label_file])
    images = read_idx(paths[image_file], 3, image_file.bytes)
    codes = read_idx(paths[label_file], 1, label_file.bytes)
    return images, codes, np.arange(len(images), dtype=np.int64)
