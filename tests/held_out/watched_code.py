"""A network and a training function of a user, which writes down what it is told."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from torch import nn

from polytask import TrainingRequest

TOLD: list[str] = []


class Net(nn.Module):
    """A network of a user, with statistics over its batches."""

    def __init__(self, tasks: Any, seed: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(8, task.outputs) for task in tasks})

    def forward(self, batch: Any) -> Any:
        return {name: head(self.trunk(batch)) for name, head in self.heads.items()}


def mean_and_share(request: TrainingRequest) -> dict[str, Any]:
    """Write down all that a training function is told but the test rows, and predict what is the same for all rows."""
    digest = hashlib.sha256(repr((request.tasks, request.arm, request.seed, request.epochs)).encode())
    for part in (*request.training.values(), *request.validation.values()):
        digest.update(np.ascontiguousarray(part.inputs).tobytes())
        for name in sorted(part.targets):
            digest.update(np.ascontiguousarray(part.targets[name]).tobytes())
    TOLD.append(digest.hexdigest())
    parts = {name: sum(map(len, getattr(request, name).values())) for name in ("validation", "test")}
    return {
        name: {
            task.name: np.zeros(count) if task.outputs == 1 else np.full((count, task.outputs), 1 / task.outputs) for task in request.tasks
        }
        for name, count in parts.items()
    }
