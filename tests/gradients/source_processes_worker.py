"""One of two processes that train a network with batch normalization on two sources: run by `test_source_processes.py`.

    python source_processes_worker.py RANK WORLD RENDEZVOUS OUT

RANK is `alone` for one process with all rows. It writes one .npz with the parameters and the running statistics after the last step.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from polytask.architectures import MultiTaskModel
from polytask.encoders import ModuleEncoder
from polytask.gradients import Backward
from polytask.tasks import Loss, Regression

SOURCES = {"first": ("a", "b"), "second": ("b", "c")}
SHIFTS = {"first": 5.0, "second": -3.0}
STEPS, ROWS, WIDTH = 6, 8, 4


def network() -> MultiTaskModel:
    """The same network in every process."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(WIDTH, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 5), nn.BatchNorm1d(5))
    model = MultiTaskModel(ModuleEncoder(layers, (WIDTH,)), [Regression(name=name) for name in "abc"], hidden=(), seed=1).double()
    model.separate_buffers(SOURCES)
    return model


def losses(model: MultiTaskModel, source: str, step: int) -> dict[str, Loss]:
    """Return the losses of the rows of a source in a step."""
    generator = torch.Generator().manual_seed(10 * step + list(SOURCES).index(source))
    rows = torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64) * (1 + len(source)) + SHIFTS[source]
    targets = torch.randn(ROWS, 3, generator=generator, dtype=torch.float64)
    outputs = model(rows, SOURCES[source], source)
    return {task: Loss((outputs[task][:, 0] - targets[:, "abc".index(task)]).square().sum(), ROWS) for task in SOURCES[source]}


def train(own: tuple[str, ...], group: dist.ProcessGroup | None) -> dict[str, Tensor]:
    """Return the state of the network after some steps in which this process has the rows of some sources."""
    model = network()
    backward = Backward("upgrad", tasks=("a", "b", "c"), shared=model.shared_parameters(), model=model, group=group)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(STEPS):
        optimizer.zero_grad()
        found: dict[str, Loss] = {}
        for source in own:
            for task, loss in losses(model, source, step).items():
                found[task] = found[task] + loss if task in found else loss
        backward(found)
        optimizer.step()
    return model.state_dict()


def main(rank: str, world: int, rendezvous: str, out: Path) -> None:
    """Train, and write the state."""
    torch.set_num_threads(1)
    group, own = None, tuple(SOURCES)
    if rank != "alone":
        limit = timedelta(seconds=600)
        dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=world, timeout=limit)
        group, own = dist.group.WORLD, (own[int(rank)],)
    found = train(own, group)
    if group is not None:
        dist.barrier()
        dist.destroy_process_group()
    np.savez(out, **{name: value.numpy() for name, value in found.items()})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    sys.stdout.flush()
    os._exit(0)  # gloo's threads sometimes abort an interpreter that shuts down in the ordinary way
