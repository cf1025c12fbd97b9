"""A module of a user: two tasks on small images that come through every door for data, and what trains on them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.datasets.base import Dataset

SIDE = 8
TASKS = (pt.tasks.Binary(name="bright"), pt.tasks.Regression(name="left"))


def pictures(rows: int, seed: int) -> tuple[np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]]]:
    """Random gray images, whether they are bright, and how bright their left half is."""
    images = np.random.default_rng(seed).integers(0, 256, size=(rows, 1, SIDE, SIDE), dtype=np.uint8)
    return images, {"bright": images.mean(axis=(1, 2, 3)) > 127, "left": images[:, 0, :, : SIDE // 2].mean(axis=(1, 2))}


def brighten(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change the brightness of each image a little."""
    return images * (0.9 + 0.1 * torch.rand(len(images), 1, 1, 1, generator=generator))


class Items(torch.utils.data.Dataset[Any]):
    """Images that are read one by one."""

    def __init__(self, rows: int, seed: int) -> None:
        self.images, self.labels = pictures(rows, seed)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        return self.images[index], {name: own[index] for name, own in self.labels.items()}


def array_source(rows: int, seed: int) -> pt.Source:
    """The images in one array, which two loader workers change."""
    return pt.Source("shapes", *pictures(rows, seed), transform=brighten, loader_workers=2)


def dataset_source(rows: int, seed: int) -> pt.Source:
    """The images of a data set, which two loader workers read batch by batch."""
    return pt.Source.from_dataset("shapes", Items(rows, seed), lazy=True, loader_workers=2, transform=brighten)


def hugging_face_source(rows: int, seed: int) -> pt.Source:
    """The images of a data set of Hugging Face."""
    import datasets

    images, labels = pictures(rows, seed)
    columns = {"image": list(images.astype(np.float32).reshape(rows, -1)), **{name: own.tolist() for name, own in labels.items()}}
    dataset = datasets.Dataset.from_dict(columns).with_format("numpy")
    return pt.Source.from_dataset("shapes", dataset, inputs="image", labels=["bright", "left"], lazy=True, loader_workers=2)


def folder_source(rows: int, seed: int) -> pt.Source:
    """The images of files with a table of labels."""
    from PIL import Image

    folder = Path(os.environ["DOOR_DATA"]) / f"images-{rows}-{seed}"
    table = folder / "labels.csv"
    images, labels = pictures(rows, seed)
    if not table.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images):
            Image.fromarray(image[0]).save(folder / f"{number}.png")
        pd.DataFrame({"file": [f"{number}.png" for number in range(rows)], **labels}).to_csv(table, index=False)
    return pt.Source.from_image_folder(table, images=folder, path="file", name="shapes", lazy=True, loader_workers=2, transform=brighten)


class Door(Dataset):
    """A data set of the command line whose rows come through one of the doors."""

    name: ClassVar[str] = "door"
    files: ClassVar[tuple[Any, ...]] = ()
    sizes: ClassVar[tuple[str, ...]] = ("array", "dataset", "hugging-face", "folder", "plain-dataset", "plain-folder")

    def tasks(self) -> tuple[pt.Task, ...]:
        return TASKS

    def training(self) -> tuple[pt.Source, ...]:
        return (self._source(400, 0),)

    def test(self) -> tuple[pt.Source, ...]:
        return (self._source(100, 1),)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size}

    def _source(self, rows: int, seed: int) -> pt.Source:
        makers = {"array": array_source, "dataset": dataset_source, "hugging-face": hugging_face_source, "folder": folder_source}
        source = makers[self.size.removeprefix("plain-")](rows, seed)
        return replace(source, transform=None) if self.size.startswith("plain-") else source


class Net(nn.Module):
    """One layer for all tasks, and one for each."""

    def __init__(self, tasks: Sequence[pt.Task], seed: int = 0) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 16), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(16, task.outputs) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.trunk(images)
        return {name: head(features) for name, head in self.heads.items()}


def fit(request: pt.TrainingRequest) -> dict[str, Any]:
    """Fit one linear map per task, slowly."""
    time.sleep(float(os.environ.get("DOOR_SECONDS", "0")))
    (name,) = request.test
    found: dict[str, dict[str, Any]] = {"validation": {}, "test": {}}
    for task in request.tasks:
        rows = request.training[name]
        images, targets = rows.inputs[:].reshape(len(rows), -1) / 255.0, rows.targets[task.name].astype(float)
        weights = np.linalg.lstsq(images, targets, rcond=None)[0]
        for part in found:
            values = request.rows_to_predict(part)[name].inputs[:].reshape(-1, SIDE * SIDE) / 255.0 @ weights
            found[part][task.name] = values if task.name == "left" else (values > 0.5).astype(int)
    return found
