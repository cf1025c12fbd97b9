"""Log a plain loop with MLflow: python examples/loop_with_mlflow.py [database]; mlflow ui --backend-store-uri sqlite:///mlflow.db."""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

import polytask as pt

TASKS = ("up", "down")


class Net(nn.Module):
    """A trunk with two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(32, 1) for task in TASKS})

    def losses(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the mean loss of each task; the second one wants half of what the first one wants turned around."""
        features, total = self.trunk(rows), rows.sum(1)
        targets = {"up": total, "down": rows[:, 0] - total}
        return {task: functional.mse_loss(self.heads[task](features)[:, 0], target) for task, target in targets.items()}


def main() -> None:
    """Train for 100 steps, and log losses, weights and the cosine of the gradients of each."""
    torch.manual_seed(0)
    model, options = Net(), {"lr": 0.01, "balancer": "upgrad"}
    backward = pt.Backward(options["balancer"], tasks=TASKS, shared=model.trunk, model=model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    logger = pt.loggers.MLflowLogger(uri=f"sqlite:///{(*sys.argv, 'mlflow.db')[1]}", experiment="loops")
    logger.begin(pt.loggers.LoggedRun("plain loop", options=options))
    for step in range(1, 101):
        optimizer.zero_grad()
        report = backward(model.losses(torch.randn(64, 4)))
        optimizer.step()
        logger.log(report.log_values(), step)
    logger.end()
    print(report, "logged as", ", ".join(report.log_values()))


if __name__ == "__main__":
    main()
