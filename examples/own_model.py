"""Study a network of your own: python examples/own_model.py [epochs]."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

import polytask as pt


class Net(nn.Module):
    """Two convolutions for all tasks, and one layer for each."""

    def __init__(self, tasks: Sequence[pt.Task]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(), nn.Flatten())
        self.heads = nn.ModuleDict({task.name: nn.Linear(512, task.outputs) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map images of digits or of garments to outputs by task."""
        features = self.trunk(images)
        return {name: head(features) for name, head in self.heads.items()}


def make(tasks: Sequence[pt.Task], seed: int) -> nn.Module:
    """Make the network of these tasks; with one task, it is the separate network that joint training is compared with."""
    return Net(tasks)


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import make from this file
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(pt.study("mnist-fashion", model="own_model:make", arms=["single", "equal", "cagrad"], seeds=3, epochs=epochs, threads=1))
