"""One of two processes in which things go wrong: run by `test_process_errors.py`, once per rank.

    python process_errors_worker.py RANK RENDEZVOUS OUT

It writes one JSON file: per case what this process raised, and whether its gradients were right afterwards.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from polytask.balancing import Balancer
from polytask.balancing.factory import balancer_named
from polytask.errors import PolytaskError
from polytask.gradients import Backward
from polytask.tasks import Loss

TASKS = ("a", "b", "c")
X = torch.randn(8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Losses = dict[str, Loss]
Told = dict[str, Any]


class Net(nn.Module):
    """A trunk and three heads, in float64; the same in every process."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5))
        self.heads = nn.ModuleDict({task: nn.Linear(5, 1) for task in TASKS})
        self.double()

    def losses(self, rows: Tensor, tasks: tuple[str, ...] = TASKS) -> Losses:
        """Squared errors of these tasks."""
        self.features = self.trunk(rows)
        errors = {task: self.heads[task](self.features)[:, 0] - rows[:, TASKS.index(task)] for task in tasks}
        return {task: Loss(error.square().sum(), len(rows)) for task, error in errors.items()}

    def penalty(self) -> Tensor:
        """½ ‖θ‖² of the trunk's first matrix."""
        return 0.5 * self.trunk[0].weight.square().sum()


class Pair:
    """This process's part of a training of two, beside a training of one process on all rows.

    Args:
        rank: Of this process.
        name: The balancer's.
        options: Of `Backward`.
    """

    def __init__(self, rank: int, name: str, **options: Any) -> None:
        self.rank, self.rows = rank, (X[:5], X[5:])[rank]
        self.net, self.alone = Net(), Net()
        self.balancer = self._balancer(name)
        group = dist.group.WORLD
        self.backward = Backward(self.balancer, tasks=TASKS, shared=self.net.trunk, model=self.net, group=group, **options)
        self.single = Backward(self._balancer(name), tasks=TASKS, shared=self.alone.trunk, model=self.alone, **options)
        self.counts = dict.fromkeys(TASKS, len(self.rows))

    def _balancer(self, name: str) -> Balancer:
        return balancer_named(name, {}, dict.fromkeys(TASKS, 1.0))

    def told(self, bad: Callable[[], object]) -> Told:
        """What is raised by something bad, and whether a good step after it is right."""
        try:
            bad()
            said = ""
        except (PolytaskError, RuntimeError) as error:
            said = f"{type(error).__name__}: {error}"
        self.net.zero_grad()
        self.backward(self.net.losses(self.rows), features=self.net.features)
        self.single(self.alone.losses(X), features=self.alone.features)
        return {"said": said, "right": self.right()}

    def right(self) -> bool:
        """Whether both trainings have the same gradients."""
        pairs = [(ours.grad, theirs.grad) for ours, theirs in zip(self.net.parameters(), self.alone.parameters(), strict=True)]
        return all((p is q) if p is None or q is None else torch.allclose(p, q, rtol=1e-12, atol=1e-14) for p, q in pairs)


def spoiled(losses: Losses, value: float = float("nan")) -> Losses:
    """With a loss of b that is not finite."""
    return losses | {"b": Loss(losses["b"].sum * value, losses["b"].count)}


def bad_at_the_end(rank: int, name: str) -> Told:
    """A penalty and rows of the first part are held back when the last part of one process is not finite."""
    pair = Pair(rank, name)

    def bad() -> None:
        pair.backward(pair.net.losses(pair.rows[:1]), counts=pair.counts, penalty=pair.net.penalty())
        losses = pair.net.losses(pair.rows[1:])
        pair.backward(spoiled(losses) if rank else losses, counts=pair.counts)

    return pair.told(bad)


def bad_in_the_middle(rank: int, name: str) -> Told:
    """One process is not finite before the step is complete, when it has told nobody anything."""
    pair = Pair(rank, name)

    def bad() -> None:
        for number, row in enumerate(pair.rows.split(1)):
            losses = pair.net.losses(row)
            pair.backward(spoiled(losses) if rank == 1 and number == 0 else losses, counts=pair.counts)

    return pair.told(bad)


def too_many_units(rank: int, name: str) -> Told:
    """A later micro-batch of one process brings more than it announced."""
    pair = Pair(rank, name)

    def bad() -> None:
        pair.backward(pair.net.losses(pair.rows[:1]), counts=pair.counts, penalty=pair.net.penalty())
        pair.backward(pair.net.losses(X if rank else pair.rows[1:]), counts=pair.counts)

    return pair.told(bad)


def walked_before(rank: int, name: str) -> Told:
    """One process has no graph any more: PyTorch's own error."""
    pair = Pair(rank, name)

    def bad() -> None:
        losses = pair.net.losses(pair.rows)
        if rank:
            losses["a"].sum.backward()  # type: ignore[no-untyped-call]
        pair.backward(losses, features=pair.net.features)

    return pair.told(bad)


def no_features(rank: int, name: str) -> Told:
    """One process has nothing in a step, and says nothing of representations either."""
    pair = Pair(rank, name)

    def bad() -> None:
        losses = pair.net.losses(pair.rows)
        pair.backward({}) if rank else pair.backward(losses, features=pair.net.features)

    return pair.told(bad)


def features_without_labels(rank: int, name: str) -> Told:
    """One process has features and no label, or features of no row at all; that is no error."""
    pair = Pair(rank, name)
    pair.net.losses(X[:0])
    empty = pair.net.features
    losses = pair.net.losses(X)
    report = pair.backward({} if rank else losses, features=empty if rank else pair.net.features)
    pair.single(pair.alone.losses(X), features=pair.alone.features)
    return {"said": ", ".join(report.losses), "right": pair.right()}


def foreign_tensor(rank: int, name: str) -> Told:
    """Inputs that require a gradient are no parameters of the model."""
    pair = Pair(rank, name)
    return pair.told(lambda: pair.backward(pair.net.losses(pair.rows.clone().requires_grad_())))


def late_penalty(rank: int, name: str) -> Told:
    """A penalty in a micro-batch without labels, after the step's last one."""
    pair = Pair(rank, name)

    def bad() -> None:
        pair.backward(pair.net.losses(pair.rows), counts=pair.counts)
        pair.backward({}, counts=pair.counts, penalty=pair.net.penalty())

    return pair.told(bad)


def wrong_batch(rank: int, name: str) -> Told:
    """The first of several batches has losses of a stranger in one process."""
    pair = Pair(rank, name)

    def losses(batch: int, net: Net, rows: Tensor, *, bad: bool) -> Losses:
        found = net.losses(rows + batch)
        return found | {"stranger": found["a"]} if bad and batch == 0 and rank else found

    said = ""
    batches = list(range(pair.balancer.batches))
    try:
        pair.backward(lambda batch: losses(batch, pair.net, pair.rows, bad=True), batches)
    except PolytaskError as error:
        said = f"{type(error).__name__}: {error}"
    pair.backward(lambda batch: losses(batch, pair.net, pair.rows, bad=False), batches)
    pair.single(lambda batch: losses(batch, pair.alone, X, bad=False), batches)
    return {"said": said, "right": pair.right()}


def scattered_batches(rank: int, name: str) -> Told:
    """Every batch has labels of b, but in another process than the next batch."""
    pair = Pair(rank, name)

    def own(batch: int) -> Losses:
        return pair.net.losses(pair.rows + batch, TASKS if (batch == 0) == (rank == 0) else ("a", "c"))

    def all_of_them(batch: int) -> Losses:
        parts = [pair.alone.losses(rows + batch) for rows in (X[:5], X[5:])]
        return {task: parts[0][task] + parts[1][task] if task != "b" else parts[0 if batch == 0 else 1]["b"] for task in TASKS}

    batches = list(range(pair.balancer.batches))
    report = pair.backward(own, batches)
    pair.single(all_of_them, batches)
    return {"said": ", ".join(sorted(report.losses)), "right": pair.right()}


def policy(rank: int, name: str, non_finite: str) -> Told:
    """One process is not finite, and the policy is to go on."""
    pair = Pair(rank, name, non_finite=non_finite)
    losses = pair.net.losses(pair.rows)
    report = pair.backward(spoiled(losses, float("inf")) if rank else losses, features=pair.net.features)
    if non_finite == "drop":
        pair.single(pair.alone.losses(X, ("a", "c")), features=pair.alone.features)
    return {"said": f"{report.dropped} {report.skipped}", "right": pair.right()}


def overflow(rank: int, name: str) -> Told:
    """The scaled gradients of one process are too large for float32: all skip the step."""
    net, scaler = Net().float(), torch.amp.GradScaler("cpu", init_scale=2.0**100)
    balancer = balancer_named(name, {}, dict.fromkeys(TASKS, 1.0))
    backward = Backward(balancer, tasks=TASKS, shared=net.trunk, model=net, group=dist.group.WORLD, scaler=scaler)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    rows = (X[:5], X[5:])[rank].float() * (1e10 if rank else 1.0)
    backward(net.losses(rows), features=net.features)
    scaler.step(optimizer)
    scaler.update()
    same = all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))
    return {"said": str(scaler.get_scale() < 2.0**100), "right": same}


def errors_by_case(rank: int) -> dict[str, Told]:
    """All of them, in the same order in every process."""
    found = {}
    for case in (bad_at_the_end, bad_in_the_middle, too_many_units, walked_before):
        for name in ("equal", "gls", "upgrad", "moco"):
            found[f"{case.__name__} {name}"] = case(rank, name)
    for case in (foreign_tensor, late_penalty):  # without moco, which has learned from the good step before the error
        for name in ("equal", "gls", "upgrad"):
            found[f"{case.__name__} {name}"] = case(rank, name)
    for case in (walked_before, no_features, features_without_labels):
        found[f"{case.__name__} graddrop"] = case(rank, "graddrop")
    for case in (wrong_batch, scattered_batches):
        for name in ("modo", "sdmgrad", "auto-lambda", "moml"):
            found[f"{case.__name__} {name}"] = case(rank, name)
    for name in ("equal", "gls", "upgrad", "moco", "graddrop"):
        found[f"overflow {name}"] = overflow(rank, name)
        for non_finite in ("drop", "skip"):
            found[f"{non_finite} {name}"] = policy(rank, name, non_finite)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    number, meeting, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=number, world_size=2, timeout=timedelta(seconds=600))
    out.write_text(json.dumps(errors_by_case(number)), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads sometimes abort an interpreter that shuts down in the ordinary way
