"""Study a training loop of your own in PyTorch: python examples/train_pytorch.py [epochs]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import polytask as pt


def train(request: pt.TrainingRequest) -> dict[str, Any]:
    """Train one network on the images of all sources, a step per source in turn, and return its outputs."""
    torch.manual_seed(request.seed)
    torch.set_num_threads(request.threads)
    trunk = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(), nn.Flatten())
    heads = nn.ModuleDict({task.name: nn.Linear(512, task.outputs) for task in request.tasks})
    optimizer = torch.optim.Adam([*trunk.parameters(), *heads.parameters()])
    targets = {task.name: torch.from_numpy(task.encode(rows.labels[task.name]).values)
               for task in request.tasks for rows in request.training.values() if task.name in rows.tasks}  # fmt: skip
    for _ in range(request.epochs):
        batches = [(task, rows, batch) for task in request.tasks for rows in request.training.values() if task.name in rows.tasks
                   for batch in torch.randperm(len(rows)).chunk(1 + len(rows) // 128)]  # fmt: skip
        for number in torch.randperm(len(batches)).tolist():
            task, rows, batch = batches[number]
            outputs = heads[task.name](trunk(torch.from_numpy(rows.inputs[batch.numpy()]) / 255))
            optimizer.zero_grad()
            task.loss_per_unit(outputs, targets[task.name][batch]).mean().backward()
            optimizer.step()
    with torch.no_grad():
        return {task.name: pt.Outputs(heads[task.name](trunk(torch.from_numpy(rows.inputs[:]) / 255)))
                for task in request.tasks for rows in request.test.values() if task.name in rows.tasks}  # fmt: skip


if __name__ == "__main__":
    pt.add_import_path(Path(__file__).parent)  # other processes import train from this file
    print(pt.study("mnist-fashion", train="train_pytorch:train", seeds=3, epochs=int((*sys.argv, "10")[1])))
