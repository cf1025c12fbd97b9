"""Train two tasks with several processes in a custom training loop.

    torchrun --nproc-per-node 2 examples/several_processes.py

Every process has its own rows and a different number of labels; the network needs no wrapper. At the end, all processes have the same
weights, bit for bit.
"""

from __future__ import annotations

import torch
from torch import distributed as dist
from torch import nn

import polytask as pt

TASKS = ("sum", "product")


def losses_of(model: nn.ModuleDict, rows: torch.Tensor) -> dict[str, pt.Loss]:
    """Return losses as sums with counts, not as means, since only these can be added up over processes."""
    features = model["trunk"](rows)
    targets = {"sum": rows.sum(1), "product": rows.prod(1)}
    labeled = {"sum": rows[:, 0] > -1, "product": rows[:, 1] > 0}  # each task has labels for some of the rows
    losses = {}
    for task, mask in labeled.items():
        if bool(mask.any()):
            errors = model[task](features)[mask, 0] - targets[task][mask]
            losses[task] = pt.Loss(errors.square().sum(), int(mask.sum()))
    return losses


def main() -> None:
    """Train for 50 steps, and compare the weights of the processes."""
    dist.init_process_group("gloo")
    torch.manual_seed(0)  # the same initial weights in every process
    model = nn.ModuleDict({"trunk": nn.Sequential(nn.Linear(3, 32), nn.Tanh()), "sum": nn.Linear(32, 1), "product": nn.Linear(32, 1)})
    torch.manual_seed(1 + dist.get_rank())  # different rows in every process
    backward = pt.Backward(pt.balancing.UPGrad(), tasks=TASKS, shared=model["trunk"], model=model, group=dist.group.WORLD)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        report = backward(losses_of(model, torch.randn(64, 3)))
        optimizer.step()
    own = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    first = own.clone()
    dist.broadcast(first, src=0)
    losses = ", ".join(f"{task} {float(loss):.3f}" for task, loss in report.losses.items())
    print(f"process {dist.get_rank()}: {losses}; same weights as process 0: {torch.equal(own, first)}; {backward.sent:,} bytes sent")
    dist.barrier()  # no process exits while another still communicates
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
