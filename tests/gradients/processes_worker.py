"""One of several processes that train together: run by `test_processes.py`, once per rank and once alone.

    python processes_worker.py RANK WORLD RENDEZVOUS OUT WANTED

WANTED is a file with the names of the cases that are run. It writes one .npz with an entry per case:
the gradients of every step, the weights after the last one, bytes sent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from polytask.architectures import MultiTaskModel
from polytask.balancing import Balancer
from polytask.balancing.factory import balancer_named
from polytask.encoders import MLP
from polytask.errors import PolytaskError
from polytask.gradients import Backward
from polytask.gradients.primitives.communicator import communicator_of
from polytask.registry import names
from polytask.registry.parsing import parse_balancer
from polytask.tasks import Loss, Regression

TASKS = ("a", "b", "c")
ROWS, WIDTH = 11, 4
SPLIT = 7  # rows of the first process; the second has the rest
FURTHER = (
    "random(distribution=dirichlet)",
    "mgda(normalization=loss+)",
    "gradvac(groups=layer)",
    "gradnorm(parameters=shared)",
    "graddrop(at=parameters)",
    "db-mtl(beta=0)",
    "smooth-weights:cagrad",
    "update-every(steps=2):upgrad",
    "per-group:pcgrad",
    "preference(preference={a: 2, b: 1, c: 1}):mgda",
)


# They look at representations, or at several batches.
BALANCERS = tuple(name for name in names("balancer") if name != "torchjd")
IN_ONE_PIECE = ("rotograd", "graddrop", "modo", "sdmgrad", "auto-lambda", "moml")


@dataclass(frozen=True)
class Case:
    """A training of a few steps.

    Attributes:
        spelled: The balancer.
        dtype: Of everything.
        steps: How many.
        parts: In how many micro-batches this process takes its part of a step.
        penalty: Whether there is a penalty.
        route: How rows are obtained.
    """

    spelled: str
    dtype: torch.dtype = torch.float64
    steps: int = 6
    parts: tuple[int, int] = (1, 1)
    penalty: bool = False
    route: str = "sequential"

    def __str__(self) -> str:
        """The name."""
        return self.name

    @property
    def name(self) -> str:
        """What the results are filed under."""
        return f"{self.spelled} {self.dtype} {self.steps} {self.parts} {self.penalty} {self.route}"


def cases() -> Iterator[Case]:
    """What is tried."""
    for spelled in (*BALANCERS, *FURTHER):
        yield Case(spelled)
        yield Case(spelled, dtype=torch.float32, steps=1)
        yield Case(spelled, dtype=torch.float32, steps=20)
    for spelled in ("equal", "uncertainty", "upgrad", "moco", "gradnorm", "famo", "excess-mtl"):
        yield Case(spelled, parts=(3, 2), penalty=True)
    for spelled in (*BALANCERS, *FURTHER):
        if not any(name in spelled for name in IN_ONE_PIECE):
            yield Case(spelled, parts=(1, 3))
    for spelled in ("upgrad", "moco"):
        yield Case(spelled, route="batched")


def targets_of(step: int, part: int) -> tuple[Tensor, Tensor]:
    """Rows and targets of all processes; NaN is no label."""
    generator = torch.Generator().manual_seed(100 * step + part)
    rows = torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64)
    targets = torch.randn(ROWS, len(TASKS), generator=generator, dtype=torch.float64)
    targets[torch.rand(ROWS, len(TASKS), generator=generator) < 0.3] = torch.nan
    targets[0], targets[-1] = 0.5, -0.5
    if step % 5 == 1:
        targets[SPLIT:, 1] = torch.nan  # absent in the second process
    if step % 5 == 2:
        targets[:, 1] = torch.nan  # absent everywhere
    if step % 5 == 3:
        targets[:SPLIT] = torch.nan  # nothing at all in the first process
    return rows, targets


class Training:
    """One case in one process.

    Args:
        case: What is tried.
        rank: Of this process; None for a process alone with all rows.
        group: The processes.
    """

    def __init__(self, case: Case, rank: int | None, group: dist.ProcessGroup | None) -> None:
        self.case, self.rank = case, rank
        name, options = parse_balancer(case.spelled)
        self.balancer: Balancer = balancer_named(name, options, dict.fromkeys(TASKS, 1.0))
        sharing = "rotated" if "rotograd" in case.spelled else "hard"
        tasks = [Regression(name=task) for task in TASKS]
        encoder = MLP((WIDTH,), hidden=(6, 5))
        self.model = MultiTaskModel(encoder, tasks, architecture=sharing, hidden=(3,), seed=1, initialization="glorot").to(case.dtype)
        route: Any = case.route
        shared = self.model.shared_parameters()
        self.backward = Backward(self.balancer, tasks=TASKS, shared=shared, model=self.model, group=group, route=route)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.5)

    def run(self) -> dict[str, np.ndarray]:
        """Gradients (steps, all parameters), the weights at the end, and bytes sent."""
        found = []
        for step in range(self.case.steps):
            self.optimizer.zero_grad()
            self.fill(step)
            found.append(self.flat([parameter.grad for parameter in self.model.parameters()]))
            self.optimizer.step()
            self.backward.after_step()
        end = self.flat(list(self.model.parameters()))
        met = np.array([parameter.grad is not None for parameter in self.model.parameters()])
        return {"gradients": np.stack(found), "end": end, "met": met, "sent": np.array(self.backward.sent)}

    def flat(self, tensors: list[Any]) -> np.ndarray:
        """One vector; no gradient is zero."""
        parameters = list(self.model.parameters())
        filled = [torch.zeros_like(p) if t is None else t.detach() for t, p in zip(tensors, parameters, strict=True)]
        vector: np.ndarray = torch.cat([tensor.flatten() for tensor in filled]).numpy()
        return vector

    def fill(self, step: int) -> None:
        """One step of the engine."""
        if self.backward.asks_again:
            self.backward(self.closure, [targets_of(step, part) for part in range(self.balancer.batches)], penalty=self.penalty())
            return
        rows, targets = self.own(targets_of(step, 0))
        parts = self.case.parts[self.rank or 0]
        if parts == 1:
            features: list[Tensor] = []
            self.backward(self.losses(rows, targets, features), features=features, penalty=self.penalty())
            return
        counts = {task: int(torch.isfinite(targets[:, place]).sum()) for place, task in enumerate(TASKS)}
        if not any(counts.values()):
            self.backward({}, penalty=self.penalty())  # once, so that the others do not wait
            return
        for part, (some, wanted) in enumerate(zip(rows.tensor_split(parts), targets.tensor_split(parts), strict=True)):
            self.backward(self.losses(some, wanted), counts=counts, penalty=self.penalty() if part == 0 else None)

    def penalty(self) -> Tensor | None:
        """½ ‖θ‖²."""
        if not self.case.penalty:
            return None
        return 0.5 * torch.stack([parameter.square().sum() for parameter in self.model.parameters()]).sum()

    def own(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The rows of this process."""
        mine = slice(None) if self.rank is None else (slice(0, SPLIT), slice(SPLIT, ROWS))[self.rank]
        return batch[0][mine].to(self.case.dtype), batch[1][mine].to(self.case.dtype)

    def closure(self, batch: tuple[Tensor, Tensor]) -> Mapping[str, Loss]:
        """The losses of one of several batches."""
        return self.losses(*self.own(batch))

    def losses(self, rows: Tensor, targets: Tensor, seen: list[Tensor] | None = None) -> dict[str, Loss]:
        """Per task with a label its sum of squares and its count."""
        features = self.model.architecture(rows, TASKS)
        if seen is not None:
            seen.extend({id(z): z for z in features.values()}.values())
        outputs = self.model.outputs(features)
        losses = {}
        for place, task in enumerate(TASKS):
            labeled = torch.isfinite(targets[:, place])
            if bool(labeled.any()):
                error = outputs[task][labeled, 0] - targets[labeled, place]
                losses[task] = Loss(error.square().sum() + 0.1 * int(labeled.sum()), int(labeled.sum()))
        return losses


def refusals(group: dist.ProcessGroup, rank: int) -> np.ndarray:
    """Problems of one process end the step in all of them, and the next step goes on."""
    training = Training(Case("upgrad"), rank, group)
    rows, targets = training.own(targets_of(0, 0))
    told = []
    for bad in range(2):
        losses: Any = training.losses(rows, targets)
        if rank == bad:
            losses = losses | {"stranger": losses["a"]}
        try:
            training.backward(losses)
        except PolytaskError as error:
            told.append(str(error))
    training.fill(0)
    return np.array(told)


def traffic(group: dist.ProcessGroup) -> np.ndarray:
    """Bytes that one collective of each kind is counted with."""
    together = communicator_of(group)
    sent = [together.bytes_sent]
    for collective in (
        lambda: together.all_reduce(torch.zeros(10, dtype=torch.float64)),
        lambda: together.reduce_scatter(torch.zeros(3, 9, dtype=torch.float64)),
        lambda: together.all_gather(torch.zeros(5, dtype=torch.float64)),
    ):
        collective()
        sent.append(together.bytes_sent)
    return np.diff(sent)


def main(rank: int | None, world: int, rendezvous: str, out: Path, wanted: Path) -> None:
    """Run the cases, and write what came of them."""
    torch.set_num_threads(1)
    group = None
    found: dict[str, np.ndarray] = {}
    if rank is not None:
        dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world, timeout=timedelta(seconds=600))
        group = dist.group.WORLD
    asked = set(wanted.read_text(encoding="utf-8").splitlines())
    for case in (case for case in cases() if case.name in asked):
        for key, value in Training(case, rank, group).run().items():
            found[f"{case.name}|{key}"] = value
    if rank is not None and group is not None:
        found["refusals"], found["traffic"] = refusals(group, rank), traffic(group)
        dist.barrier()
        dist.destroy_process_group()
    np.savez(out, **found)


if __name__ == "__main__":
    main(None if sys.argv[1] == "alone" else int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
    sys.stdout.flush()
    os._exit(0)  # gloo's threads sometimes abort an interpreter that shuts down in the ordinary way
