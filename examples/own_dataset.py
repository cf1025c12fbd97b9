"""Study two tasks on images from a Dataset, with augmentation: python examples/own_dataset.py [epochs]."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import polytask as pt


class Shapes(Dataset[Any]):
    """Noisy disks and squares, with the zoom of the camera, on which their true area depends."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        random = torch.Generator().manual_seed(self.first + index)
        kind, radius, zoom, x, y = torch.rand(5, generator=random).tolist()
        side, place = 3 + 4 * radius, torch.arange(24.0)
        dx, dy = (place - 8 - 8 * x).abs()[None, :], (place - 8 - 8 * y).abs()[:, None]
        inside = dx**2 + dy**2 < side**2 if kind < 0.5 else torch.maximum(dx, dy) < 0.89 * side
        image = (inside * 128 + torch.randint(0, 100, (24, 24), generator=random)).to(torch.uint8)
        return {"image": image[None], "camera": torch.tensor([1 + zoom])}, {"disk": kind < 0.5, "area": (side / (1 + zoom)) ** 2}


def augment(inputs: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Flip half of the images, and darken each a little."""
    image, chance = inputs["image"], torch.rand(2, len(inputs["image"]), 1, 1, 1, generator=generator)
    return {**inputs, "image": torch.where(chance[0] < 0.5, image, image.flip(3)) * (0.8 + 0.2 * chance[1])}


class Net(nn.Module):
    """Two convolutions, the zoom beside their features, and a layer for each task."""

    def __init__(self, tasks: Sequence[pt.Task], seed: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 16, 5, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2), nn.ReLU(), nn.Flatten())
        self.heads = nn.ModuleDict({task.name: nn.Linear(289, task.outputs) for task in tasks})

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map images and zooms to outputs by task."""
        features = torch.cat([self.trunk(inputs["image"]), inputs["camera"]], dim=1)
        return {name: head(features) for name, head in self.heads.items()}


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import the network from this file
    train = pt.Source.from_dataset("shapes", Shapes(0, 1_000), lazy=True, loader_workers=2, transform=augment)
    test = pt.Source.from_dataset("shapes", Shapes(1_000, 300))
    tasks, training = (pt.tasks.Binary(name="disk"), pt.tasks.Regression(name="area")), {"epochs": int([*sys.argv, "10"][1])}
    print(pt.Study([train], tasks, ["single", "equal"], 3, test=lambda: (test,), model="own_dataset:Net", training=training).run().verdict)
