"""A small problem of two tasks, and the loops that bridges must equal, written by hand."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import polytask as pt

TASKS = ("up", "down")
ROWS, BATCH = 40, 8
BALANCERS = ("equal", "uncertainty", "dwa", "gradnorm", "upgrad", "pcgrad", "moco")


class Net(nn.Module):
    """A trunk and two heads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(3, 8), nn.Tanh())
        self.heads = nn.ModuleDict({task: nn.Linear(8, 1) for task in TASKS})

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        features = self.trunk(rows)
        return {task: head(features) for task, head in self.heads.items()}


def rows() -> Tensor:
    return torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1))


def losses_of(model: Any, batch: Tensor) -> dict[str, Tensor]:
    """Opposed tasks, so that their gradients conflict."""
    outputs = model(batch)
    return {
        "up": (outputs["up"].to(batch.dtype)[:, 0] - batch.sum(1)).square().mean(),
        "down": (outputs["down"].to(batch.dtype)[:, 0] + batch[:, 0]).abs().mean(),
    }


def losses_with_gaps(model: Any, batch: Tensor) -> dict[str, pt.Loss]:
    """The same tasks, of which the second one has labels for a third of the rows, which may be none of a batch."""
    outputs, labeled = model(batch), batch[:, 1] > 0.4
    up, down = outputs["up"].to(batch.dtype)[:, 0] - batch.sum(1), outputs["down"].to(batch.dtype)[:, 0] + batch[:, 0]
    losses = {"up": pt.Loss(up.square().sum(), len(batch))}
    if bool(labeled.any()):
        losses["down"] = pt.Loss(down[labeled].abs().sum(), int(labeled.sum()))
    return losses


def backward_of(balancer: str, model: nn.Module) -> pt.Backward:
    net: Any = model
    return pt.Backward(balancer, tasks=TASKS, shared=net.trunk, model=model)


@dataclass
class Setting:
    """How the loop trains."""

    balancer: str = "upgrad"
    clip: float | None = None
    parts: int = 1
    bf16: bool = False
    epochs: int = 2
    gaps: bool = False  # whether "down" has labels for some rows only, and losses have counts


@dataclass
class Trace:
    """`.grad` before every optimizer step, and the weights at the end."""

    grads: list[list[Tensor]]
    weights: list[Tensor]

    def note(self, model: nn.Module) -> None:
        self.grads.append([torch.zeros(0) if p.grad is None else p.grad.detach().clone() for p in model.parameters()])

    def end(self, model: nn.Module) -> Trace:
        self.weights = [parameter.detach().clone() for parameter in model.parameters()]
        return self

    def flat(self) -> list[Tensor]:
        """All tensors."""
        return [tensor for part in (*self.grads, self.weights) for tensor in part]

    def equals(self, other: Trace) -> bool:
        """Whether all bits are the same."""
        return all(torch.equal(a, b) for a, b in zip(self.flat(), other.flat(), strict=True))


def batches(parts: int) -> Iterator[Sequence[Tensor]]:
    """The micro-batches of each step of an epoch; the last step may have fewer."""
    every = list(rows().split(BATCH))
    for start in range(0, len(every), parts):
        yield every[start : start + parts]


def bare_loop(setting: Setting, *, divide_by: str = "setting") -> Trace:
    """Train by hand.

    Args:
        divide_by: Whether micro-batches are averaged over `setting.parts`, or over those that the `step` has.
    """
    model = Net()
    backward = backward_of(setting.balancer, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    trace = Trace([], [])
    for _ in range(setting.epochs):
        for step in batches(setting.parts):
            for number, part in enumerate(step):
                with torch.autocast("cpu", torch.bfloat16) if setting.bf16 else nullcontext():
                    losses: Any = losses_with_gaps(model, part) if setting.gaps else losses_of(model, part)
                whole = setting.parts if divide_by == "setting" else len(step)
                left = whole - number if number == len(step) - 1 else 1
                if whole == 1:
                    backward(losses)
                else:
                    backward({task: pt.Loss(loss, left) for task, loss in losses.items()}, counts=dict.fromkeys(TASKS, whole))
            if setting.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), setting.clip)
            trace.note(model)
            optimizer.step()
            optimizer.zero_grad()
    return trace.end(copy.deepcopy(model))
