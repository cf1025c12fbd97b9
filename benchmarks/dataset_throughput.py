"""Compare the throughput of training from a `torch.utils.data.Dataset` with that of a loop by hand.

    python benchmarks/dataset_throughput.py [--rows 4000] [--rounds 7] [--workers 2]

Two tasks on images of 32x32, which a data set decodes one by one and which are flipped and darkened at random, and on two numbers beside
each image, with a network of two convolutions that gets a dict. The loop by hand has a `DataLoader` with the same number of workers, which
augments in `__getitem__`, the same normalization, losses, one backward, fused Adam, and nothing else. Each round times an epoch of either,
in alternating order; medians over rounds are printed.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from polytask.architectures import InputForm, ModuleNetwork
from polytask.data import Source
from polytask.tasks import Binary, Regression, Task
from polytask.training.fit_model import build_loop
from polytask.training.hardware import torch_threads

TASKS: tuple[Task, ...] = (Binary(name="bright"), Regression(name="spread"))
BATCH = 64


class Photos(Dataset[Any]):
    """Random images that are decoded when they are read: decompressed, resized and cut."""

    def __init__(self, rows: int, augmented: bool = False) -> None:
        random = torch.Generator().manual_seed(0)
        self.stored = torch.randint(0, 256, (rows, 3, 12, 12), dtype=torch.uint8, generator=random)
        self.augmented = augmented

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], float, float]:
        small = self.stored[index].float()
        image = functional.interpolate(small[None], size=(36, 36), mode="bilinear")[0, :, 2:34, 2:34].to(torch.uint8)
        if self.augmented:
            image = image.flip(2) if torch.rand(()) < 0.5 else image
            image = image * (0.8 + 0.2 * torch.rand(()))
        return {"image": image, "facts": small[0, 0, :2]}, float(small.mean() > 127), float(small.std())


def augment(inputs: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Flip half of the images, and darken each."""
    images, rows = inputs["image"], len(inputs["image"])
    flipped = torch.where(torch.rand(rows, 1, 1, 1, generator=generator) < 0.5, images, images.flip(3))
    return {**inputs, "image": flipped * (0.8 + 0.2 * torch.rand(rows, 1, 1, 1, generator=generator))}


class Net(nn.Module):
    """Two convolutions, and a layer for each task."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 32, 5, 2), nn.ReLU(), nn.Conv2d(32, 64, 5, 2), nn.ReLU(), nn.Flatten())
        self.heads = nn.ModuleDict({task.name: nn.Linear(1_602, 1) for task in TASKS})

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map images and facts to outputs by task."""
        features = torch.cat([self.trunk(inputs["image"]), inputs["facts"]], dim=1)
        return {name: head(features) for name, head in self.heads.items()}


Known = Mapping[str, tuple[Tensor, Tensor]]
"""Mean and deviation of each input."""


def epoch_by_hand(net: nn.Module, dataset: Dataset[Any], known: Known, workers: int) -> Callable[[], None]:
    """Return a function that trains an epoch by hand."""
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def epoch() -> None:
        for inputs, bright, spread in loader:
            outputs = net({name: (inputs[name].float() - mean) / deviation for name, (mean, deviation) in known.items()})
            loss = functional.binary_cross_entropy_with_logits(outputs["bright"][:, 0], bright.float())
            loss = loss + functional.mse_loss(outputs["spread"][:, 0], spread.float())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def main() -> None:
    """Measure both loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    source = Source.from_dataset(
        "photos", Photos(chosen.rows), labels=["bright", "spread"], lazy=True, loader_workers=chosen.workers, transform=augment
    )
    torch.manual_seed(0)
    net = Net()
    by_hand = copy.deepcopy(net)
    network = ModuleNetwork(net, TASKS, {"photos": InputForm.of(source)})
    loop, _ = build_loop(network, [source], batch_size=BATCH, threads=1, precision="float32", averaging=None)
    rows = loop.data.training["photos"].rows
    known = {
        name: (torch.tensor(own.mean).view(shape), torch.tensor(own.deviation).view(shape))
        for (name, own), shape in zip(rows.normalization.entries.items(), [(1, -1, 1, 1), (1, -1)], strict=True)
    }
    part = torch.utils.data.Subset(Photos(chosen.rows, augmented=True), rows.places(torch.arange(len(rows))).tolist())
    bare = epoch_by_hand(by_hand, part, known, chosen.workers)
    ours: list[float] = []
    theirs: list[float] = []
    with torch_threads(1):
        bare()
        loop.train_epoch()
        for number in range(chosen.rounds):
            for run in (loop.train_epoch, bare) if number % 2 else (bare, loop.train_epoch):
                start = time.perf_counter()
                run()
                (theirs if run is bare else ours).append(len(rows) / (time.perf_counter() - start))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(
        f"{statistics.median(ours):,.0f} images a second, by hand {statistics.median(theirs):,.0f}: ratio "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
        f"[{chosen.workers} workers, {chosen.rounds} rounds of {len(rows):,} images]"
    )


if __name__ == "__main__":
    main()
