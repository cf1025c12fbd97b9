"""Multi-Fashion-MNIST: images that overlay a digit and a garment."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source
from polytask.datasets.base import SAMPLE, Dataset
from polytask.datasets.mnist_fashion import CLASSES, ImagePart, load_full_part, load_sample_part
from polytask.datasets.remote_files import RemoteFile, remote_files_in
from polytask.seeds import derive_seed
from polytask.tasks import Multiclass, Task

CANVAS, SIDE, SHIFT = 36, 28, 6


@final
class MultiFashionMnist(Dataset):
    """Single source of images with a digit at the upper left and a garment at the lower right: two tasks on the same rows.

    For image i, image i of MNIST is placed at [0:28, 0:28] of a 36x36 canvas, and a garment of the same part (training or test), drawn
    without replacement with a fixed seed, at [6:34, 6:34]. Where they overlap, the brighter pixel is used. The canvas is resized to 28x28
    by nearest-neighbor sampling. This is the recipe of Multi-MNIST (Sener & Koltun, NeurIPS 2018) with garments as second images.

    Sizes and units are those of `mnist-fashion`: 2,000 training and 4,000 test images in the sample, 60,000 and 10,000 in the full size.

    Example:
        >>> (source,) = MultiFashionMnist().training()
        >>> source.inputs.shape, source.tasks
        ((2000, 1, 28, 28), ('digit', 'garment'))
    """

    name: ClassVar[str] = "multi-fashion-mnist"
    files: ClassVar[tuple[RemoteFile, ...]] = remote_files_in("mnist", "fashion-mnist")

    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks `digit` and `garment`."""
        return tuple(Multiclass(name=task, classes=classes) for task, classes in CLASSES.items())

    def training(self) -> tuple[Source, ...]:
        """Return the source of training rows; for the full size, all missing files are downloaded first."""
        self.fetch()
        return (self._source("train"),)

    def test(self) -> tuple[Source, ...]:
        """Return the source of test rows."""
        return (self._source("t10k"),)

    def describe(self) -> dict[str, Any]:
        """Return a description of the data set as JSON-compatible data."""
        training, test = (2_000, 4_000) if self.size == SAMPLE else (60_000, 10_000)
        return {
            "name": self.name,
            "size": self.size,
            "source canvas": f"{training:,} training and {test:,} test images, 28x28, gray",
            **{f"task {task}": f"{len(classes)} classes: {', '.join(map(str, classes))}" for task, classes in CLASSES.items()},
            "license": "MNIST: CC BY-SA 3.0; Fashion-MNIST: MIT",
            "from": "composed from mnist-fashion: a digit and a garment on one canvas (after Sener & Koltun, NeurIPS 2018)",
        }

    def _source(self, part: str) -> Source:
        digits, garments = (self._part(source, part) for source in ("mnist", "fashion-mnist"))
        partners = np.random.default_rng(derive_seed(0, self.name, part)).permutation(len(garments[0]))[: len(digits[0])]
        images = overlay_images(digits[0], garments[0][partners])
        codes = {"digit": digits[1], "garment": garments[1][partners]}
        labels = {task: np.asarray(CLASSES[task])[own] for task, own in codes.items()}
        return Source("canvas", images[:, np.newaxis], labels, digits[2])

    def _part(self, source: str, part: str) -> ImagePart:
        return load_sample_part(source, part) if self.size == SAMPLE else load_full_part(source, part)


def overlay_images(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Overlay pairs of images.

    Args:
        first: (N, 28, 28) images for the upper left.
        second: (N, 28, 28) images for the lower right.

    Returns:
        (N, 28, 28) combined images.

    Example:
        >>> both = overlay_images(np.full((1, 28, 28), 3, np.uint8), np.full((1, 28, 28), 9, np.uint8))
        >>> both.shape, int(both[0, 0, 0]), int(both[0, 14, 14]), int(both[0, 27, 27])
        ((1, 28, 28), 3, 9, 0)
    """
    canvas = np.zeros((len(first), CANVAS, CANVAS), dtype=np.uint8)
    canvas[:, :SIDE, :SIDE] = first
    corner = canvas[:, SHIFT : SHIFT + SIDE, SHIFT : SHIFT + SIDE]
    np.maximum(corner, second, out=corner)
    nearest = ((np.arange(SIDE) + 0.5) * CANVAS / SIDE).astype(int)
    return np.ascontiguousarray(canvas[:, nearest][:, :, nearest])
