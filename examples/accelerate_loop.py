"""Balance two tasks in a loop of Accelerate, and resume it: python examples/accelerate_loop.py [epochs]."""

from __future__ import annotations

import sys
import tempfile

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

import polytask as pt

TASKS = ("sum", "product")


class Net(nn.Module):
    """A trunk with two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(32, 1) for task in TASKS})

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the outputs of each task."""
        features = self.trunk(rows)
        return {task: head(features)[:, 0] for task, head in self.heads.items()}


def losses_of(model: nn.Module, rows: Tensor) -> dict[str, Tensor]:
    """Return the mean loss of each task."""
    outputs = model(rows)
    return {"sum": functional.mse_loss(outputs["sum"], rows.sum(1)), "product": functional.mse_loss(outputs["product"], rows.prod(1))}


def main() -> None:
    """Train with two micro-batches a step, store the state of the balancer with everything else, and go on from it."""
    torch.manual_seed(0)
    accelerator, model = Accelerator(cpu=True, gradient_accumulation_steps=2), Net()
    balanced = pt.bridges.AcceleratedBackward(accelerator, pt.Backward("moco", tasks=TASKS, shared=model.trunk, model=model))
    rows = torch.utils.data.DataLoader(torch.randn(512, 2), batch_size=32)  # type: ignore[arg-type, var-annotated]
    optimizer, loader = accelerator.prepare(torch.optim.Adam(model.parameters(), lr=1e-2), rows)
    accelerator.register_for_checkpointing(model)
    for _ in range(int((*sys.argv, "20")[1])):
        for batch in loader:
            with accelerator.accumulate(model):
                report = balanced(losses_of(model, batch))
                optimizer.step()
                optimizer.zero_grad()
        with tempfile.TemporaryDirectory() as folder:
            accelerator.save_state(folder)
            accelerator.load_state(folder)
    print(f"{balanced.backward.step} steps: " + ", ".join(f"{task} {loss.item():.3f}" for task, loss in report.losses.items()))


if __name__ == "__main__":
    main()
