"""Compare studies of the built-in network with studies of a training function that trains the same network.

    python benchmarks/door_claims.py [--sets 5] [--first 0] [--seeds 5] [--epochs 6]

On mnist-fashion. Each set of seeds is studied twice: by polytask's training, and by `own_recipe`, a loop of PyTorch with initial weights,
batches and a schedule of its own, and without an average of weights. A claim is contradicted if one study says that joint training helps
and the other one that it hurts. `replayed` is a loop by hand too, with the initial weights, the order of batches and the average of the
built-in training, drawn from what a training function is told: `tests/train_functions/test_replayed_training.py` compares predictions.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import polytask as pt
from polytask.architectures import NetworkPlan
from polytask.data import ProportionalSampler

TASK_OF_SOURCE = {"mnist": "digit", "fashion-mnist": "garment"}
ROWS_PER_SOURCE = 32
HORIZON = 3
"""Epochs of the moving average of weights in the built-in training."""


class Images(nn.Module):
    """Two convolutions for all tasks, and two layers per task: the layers of the built-in network."""

    def __init__(self, tasks: Sequence[pt.Task]) -> None:
        super().__init__()
        self.first, self.second, self.pool = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2)
        self.dense = nn.ModuleDict({task.name: nn.Linear(1600, 64) for task in tasks})
        self.last = nn.ModuleDict({task.name: nn.Linear(64, task.outputs) for task in tasks})

    def forward(self, images: Tensor, task: str) -> Tensor:
        """Map images (N, 1, 28, 28) to the outputs of a task."""
        features = self.pool(self.second(self.pool(self.first(images)).relu())).relu().flatten(1)
        return self.last[task](self.dense[task](features).relu())  # type: ignore[no-any-return]

    def start_as_built_in(self, tasks: Sequence[pt.Task], seed: int) -> None:
        """Take the initial weights of the built-in network."""
        built = NetworkPlan("conv", (1, 28, 28)).build(tasks, seed)
        own, theirs = [*self.first.parameters(), *self.second.parameters()], list(built.architecture.parameters())
        for task in tasks:
            own += [*self.dense[task.name].parameters(), *self.last[task.name].parameters()]
            theirs += built.head(task.name).parameters()
        with torch.no_grad():
            for parameter, start in zip(own, theirs, strict=True):
                parameter.copy_(start)


class Data:
    """Normalized images and targets of a request by source, and the outputs of a network for images that are predicted."""

    def __init__(self, request: pt.TrainingRequest) -> None:
        known = {task.name: task for task in request.tasks}
        self.request, self.images, self.targets = request, {}, {}
        self.scales: dict[str, tuple[float, float]] = {}
        for source, rows in request.training.items():
            images = torch.from_numpy(rows.inputs[:]).double()
            self.scales[source] = images.mean().item(), images.std(correction=0).item()
            self.images[source] = self.normalized(source, rows.inputs[:])
            self.targets[source] = torch.from_numpy(known[TASK_OF_SOURCE[source]].encode(rows.labels[TASK_OF_SOURCE[source]]).values)

    def normalized(self, source: str, images: object) -> Tensor:
        """Return images with the mean and deviation of the training rows."""
        mean, deviation = self.scales[source]
        return ((torch.as_tensor(images).float() - mean) * (1 / deviation)).to(memory_format=torch.channels_last)

    def loss(self, network: Images, rows: Mapping[str, Tensor]) -> Tensor:
        """Return the sum over tasks of the mean loss of the rows of a step."""
        tasks = {task.name: task for task in self.request.tasks}
        losses = []
        for source, chosen in rows.items():
            task = TASK_OF_SOURCE[source]
            outputs = network(self.images[source][chosen], task)
            losses.append(tasks[task].loss_per_unit(outputs, self.targets[source][chosen]).mean())
        return torch.stack(losses).sum()

    @torch.no_grad()
    def predicted(self, network: Images) -> dict[str, dict[str, pt.Outputs]]:
        """Return outputs for the validation and the test rows."""
        return {
            part: {
                TASK_OF_SOURCE[source]: pt.Outputs(network(self.normalized(source, rows.inputs[:]), TASK_OF_SOURCE[source]))
                for source, rows in self.request.rows_to_predict(part).items()
            }
            for part in ("validation", "test")
        }


def replayed(request: pt.TrainingRequest) -> dict[str, dict[str, pt.Outputs]]:
    """Train by hand with the start, the batches and the average of the built-in training, and return the outputs."""
    torch.set_num_threads(request.threads)
    data, network = Data(request), Images(request.tasks).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.start_as_built_in(request.tasks, request.seed)
    average = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    counts = {source: len(rows) for source, rows in request.training.items()}
    sampler = ProportionalSampler(counts, dict.fromkeys(counts, ROWS_PER_SOURCE))
    steps = (rows for epoch in range(request.epochs) for rows in sampler.epoch(epoch, request.seed))
    for number, rows in enumerate(steps, start=1):
        optimizer.zero_grad()
        data.loss(network, rows).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        decay = min(math.exp(-1 / (HORIZON * sampler.steps)), number / (number + 10))
        for mean, parameter in zip(average, network.parameters(), strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)
    with torch.no_grad():
        for mean, parameter in zip(average, network.parameters(), strict=True):
            parameter.copy_(mean)
    return data.predicted(network)


def own_recipe(request: pt.TrainingRequest) -> dict[str, dict[str, pt.Outputs]]:
    """Train from PyTorch's own start, with batches of its own and a learning rate that falls to zero, and return the outputs."""
    torch.manual_seed(request.seed)
    torch.set_num_threads(request.threads)
    data, network = Data(request), Images(request.tasks)
    epochs = [_batches({source: len(rows) for source, rows in request.training.items()}) for _ in range(request.epochs)]
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, sum(map(len, epochs)))
    for epoch in epochs:
        for rows in epoch:
            optimizer.zero_grad()
            data.loss(network, rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return data.predicted(network)


def _batches(counts: Mapping[str, int]) -> list[dict[str, Tensor]]:
    """Return the rows of every step of an epoch: 40 of every source, in a random order."""
    orders = {source: torch.split(torch.randperm(count), 40) for source, count in counts.items()}
    return [dict(zip(orders, step, strict=True)) for step in zip(*orders.values(), strict=True)]


class Claim(NamedTuple):
    """A claim about joint training: its word, and the difference with its interval, in the unit of the metric or in margins."""

    word: str
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.word} {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def claims(verdict: pt.Verdict) -> dict[str, Claim]:
    """Return the claims about every task and about the mean over tasks."""
    (arm,) = verdict.arms
    found = {name: (task.arms[arm].difference, task.arms[arm].decision) for name, task in verdict.tasks.items()}
    if (pooled := verdict.arms[arm].pooled) is not None:
        found["mean"] = pooled.difference, pooled.decision
    return {name: Claim(decision.claim, difference, *decision.interval) for name, (difference, decision) in found.items()}


def main() -> None:
    """Run the studies, and compare their claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="number of the first set")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    chosen = parser.parse_args()
    pt.add_import_path(Path(__file__).parent)
    fixed: dict[str, Any] = {"looks": [chosen.seeds], "workers": 1, "threads": 1, "epochs": chosen.epochs}
    doors: dict[str, dict[str, Any]] = {"built-in": {}, "function": {"arms": ["single", "joint"], "train": "door_claims:own_recipe"}}
    contradicted = compared = 0
    for number in range(chosen.first, chosen.first + chosen.sets):
        seeds = [100 * number + seed for seed in range(chosen.seeds)]
        found, started = {}, time.monotonic()
        for door, given in doors.items():
            found[door] = claims(pt.study("mnist-fashion", seeds=seeds, **fixed, **given).verdict)
        for name, (one, other) in {name: (found["built-in"][name], found["function"][name]) for name in found["built-in"]}.items():
            print(f"set {number}, {name}: built-in {one}; function {other}", flush=True)
            compared, contradicted = compared + 1, contradicted + ({one.word, other.word} == {"helps", "hurts"})
        print(f"set {number}: {time.monotonic() - started:.0f} s", flush=True)
    print(f"{contradicted} of {compared} claims are contradicted")


if __name__ == "__main__":
    main()
