"""Networks and training steps for timing: the cells and contestants of `balancer_step_cost.py`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from polytask.balancing.factory import balancer_named
from polytask.gradients import Backward
from polytask.registry.parsing import parse_balancer

BATCH = 256
Step = Callable[[], None]


class Transformer(nn.Module):
    """Two encoder layers over 16 tokens of width 64; heads get the mean of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=128, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (N, 16, 64) to features (N, 64)."""
        mean: Tensor = self.layers(x).mean(1)
        return mean


def mlp() -> tuple[nn.Module, int, tuple[int, ...]]:
    """Return an MLP 64-512-512: the trunk, its number of features, and the shape of one input."""
    return nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()), 512, (64,)


def convolutions() -> tuple[nn.Module, int, tuple[int, ...]]:
    """Return the reference network's trunk on 28 × 28 images, its number of features, and the shape of one input."""
    trunk = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return trunk, 1600, (1, 28, 28)


def transformer() -> tuple[nn.Module, int, tuple[int, ...]]:
    """Return a small transformer, its number of features, and the shape of one input."""
    return Transformer(), 64, (16, 64)


TRUNKS: Mapping[str, Callable[[], tuple[nn.Module, int, tuple[int, ...]]]] = {
    "mlp": mlp,
    "convolutions": convolutions,
    "transformer": transformer,
}

# Methods by registry name, with TorchJD's aggregator of the same method and the solver package that it uses.
SHARED_METHODS: Mapping[str, tuple[str, str]] = {
    "upgrad": ("UPGrad", "quadprog"),
    "dual-proj": ("DualProj", "quadprog"),
    "cagrad": ("CAGrad", "cvxpy"),
    "nash-mtl": ("NashMTL", "cvxpy"),
    "fairgrad": ("FairGrad", ""),
    "mgda": ("MGDA", ""),
    "pcgrad": ("PCGrad", ""),
    "gradvac": ("GradVac", ""),
    "imtl-g": ("IMTLG", ""),
    "aligned-mtl": ("AlignedMTL", ""),
    "conflict-free": ("ConFIG", ""),
    "graddrop(at=parameters)": ("GradDrop", ""),
}


@dataclass
class Cell:
    """A trunk with T heads, a batch, and an optimizer.

    Args:
        kind: Key of `TRUNKS`.
        tasks: Number of tasks T.
    """

    kind: str
    tasks: int

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.trunk, features, shape = TRUNKS[self.kind]()
        self.heads = nn.ModuleList(nn.Linear(features, 4) for _ in range(self.tasks))
        self.shared, self.names = list(self.trunk.parameters()), tuple(f"t{number}" for number in range(self.tasks))
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam([*self.shared, *self.heads.parameters()], lr=1e-4)
        self.x = torch.randn(BATCH, *shape)
        self.targets = torch.randn(self.tasks, BATCH, 4)

    def forward(self) -> tuple[Tensor, list[Tensor]]:
        """Return the representation, and the losses of the tasks."""
        z = self.trunk(self.x)
        return z, [nn.functional.mse_loss(head(z), target) for head, target in zip(self.heads, self.targets, strict=True)]

    def forward_by_source(self) -> list[Tensor]:
        """Return the losses of the tasks on disjoint rows, which together are one batch."""
        rows = self.x.tensor_split(self.tasks)
        pairs = zip(self.heads, rows, self.targets[:, : BATCH // self.tasks + 1], strict=True)
        return [nn.functional.mse_loss(head(self.trunk(some)), target[: len(some)]) for head, some, target in pairs]

    def move(self) -> None:
        """Take an optimizer step, and clear the gradients."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def plain(self) -> None:
        """Take a step with one backward of the sum of the losses."""
        torch.stack(self.forward()[1]).sum().backward()  # type: ignore[no-untyped-call]
        self.move()

    def plain_by_source(self) -> None:
        """Take a step with one backward of the sum of the losses, with tasks on different rows."""
        torch.stack(self.forward_by_source()).sum().backward()  # type: ignore[no-untyped-call]
        self.move()

    def floor(self) -> None:
        """Take the cheapest step that computes every task's gradient: backward of the heads once, and of the trunk once per task."""
        z, losses = self.forward()
        found = [
            torch.autograd.grad(loss, [z, *head.parameters()], retain_graph=True) for loss, head in zip(losses, self.heads, strict=True)
        ]
        for number, (slope, *own) in enumerate(found):
            rows = torch.autograd.grad(z, self.shared, slope, retain_graph=number < self.tasks - 1)
            for parameter, gradient in zip(self.heads[number].parameters(), own, strict=True):
                parameter.grad = gradient
        for parameter, gradient in zip(self.shared, rows, strict=True):
            parameter.grad = gradient
        self.move()

    def ours(self, spelled: str, *, by_source: bool = False, **options: Any) -> Step:  # noqa: ANN401 - options of Backward
        """Return a step of polytask with a balancer."""
        name, choices = parse_balancer(spelled)
        balancer = balancer_named(name, choices, dict.fromkeys(self.names, 1.0))
        backward = Backward(balancer, tasks=self.names, shared=self.trunk, **options)

        def step() -> None:
            if by_source:
                backward(dict(zip(self.names, self.forward_by_source(), strict=True)))
            elif backward.asks_again:
                backward(lambda _: dict(zip(self.names, self.forward()[1], strict=True)), [None] * balancer.batches)
            else:
                z, losses = self.forward()
                backward(dict(zip(self.names, losses, strict=True)), features=z if options else None)
            self.optimizer.step()
            backward.after_step()
            self.optimizer.zero_grad()

        return step

    def theirs(self, aggregator: str, *, optimized: bool, at_once: bool) -> Step:
        """Return a step of TorchJD: `mtl_backward`, then `jac_to_grad`.

        Args:
            aggregator: TorchJD's name of the aggregator.
            optimized: Whether to use TorchJD's optimized computation of the Gramian.
            at_once: Whether to backpropagate through the trunk for all tasks in one batch (TorchJD's default) or one by one.

        Raises:
            ImportError: TorchJD or the solver package of the aggregator is not installed.
        """
        import torchjd.aggregation
        from torchjd.autojac import jac_to_grad, mtl_backward

        kind = getattr(torchjd.aggregation, aggregator)
        made = kind(n_tasks=self.tasks) if aggregator == "NashMTL" else kind(c=0.4) if aggregator == "CAGrad" else _made(kind)

        def step() -> None:
            z, losses = self.forward()
            mtl_backward(losses, features=z, parallel_chunk_size=None if at_once else 1)
            jac_to_grad(self.shared, made, **({"optimize_gramian_computation": True} if optimized else {}))
            self.move()

        return step


def _made(kind: Any) -> Any:  # noqa: ANN401 - a class of another library
    """Return an aggregator with its defaults, or those of its paper if it has none."""
    return kind(alpha=1.0) if kind.__name__ == "FairGrad" else kind()


def all_cells() -> list[tuple[str, int]]:
    """Return all pairs of a trunk and a number of tasks."""
    return list(itertools.product(TRUNKS, (2, 8, 40)))
