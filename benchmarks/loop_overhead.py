"""Measure what the training loop costs beyond the PyTorch operations that it consists of.

    python benchmarks/loop_overhead.py [--rounds 7]

Two networks: the reference network on 28x28 images (128 + 128 rows a step), and a small MLP on a table with two tasks.
Each round times one epoch of the loop and one of the bare operations (the same gathering of rows, normalization, forward,
losses, one backward, fused Adam; nothing else) on the same rows, in alternating order. Medians over rounds are printed.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional

from polytask.architectures import NetworkPlan
from polytask.data import Source
from polytask.tasks import Multiclass, Regression, Task
from polytask.training.fit_model import build_loop
from polytask.training.hardware import torch_threads
from polytask.training.loop.training_loop import TrainingLoop


def images(rows: int) -> tuple[list[Source], tuple[Task, ...]]:
    """Return two sources of random images, since neither speed nor round-off depends on their content, and their tasks."""
    random = np.random.default_rng(0)
    sources = [
        Source(name, random.integers(0, 256, (rows, 1, 28, 28), dtype=np.uint8), {task: random.integers(0, 10, rows)})
        for name, task in (("mnist", "digit"), ("fashion-mnist", "garment"))
    ]
    return sources, tuple(Multiclass(name=task, classes=tuple(range(10))) for task in ("digit", "garment"))


def table(rows: int) -> tuple[list[Source], tuple[Task, ...]]:
    """Return one source with 16 numbers per row, and two regression tasks."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(rows, 16)).astype(np.float32)
    return [Source("table", inputs, {"a": inputs[:, 0], "b": inputs[:, 1]})], (Regression(name="a"), Regression(name="b"))


def bare_epoch(loop: TrainingLoop) -> Callable[[], int]:
    """Return a function that runs the bare operations of an epoch on a copy of the loop's network, and returns the number of steps."""
    model = copy.deepcopy(loop.state.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    losses = {task.name: functional.mse_loss if task.kind == "regression" else functional.cross_entropy for task in loop.data.tasks}

    def epoch() -> int:
        steps = list(loop.sampler.epoch(0, loop.seed))
        for rows in steps:
            total = torch.zeros(())
            for source, chosen in rows.items():
                batch = loop.data.training[source].rows
                inputs = batch.normalization(batch.inputs.index_select(0, chosen))
                with loop.precision.autocast():
                    outputs = model(inputs, batch.tasks)
                for task in batch.tasks:
                    targets = batch.targets[task].index_select(0, chosen)
                    total = total + losses[task](outputs[task].float().squeeze(1), targets)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        return len(steps)

    return epoch


def compare(name: str, sources: Sequence[Source], tasks: Sequence[Task], plan: NetworkPlan, batch_size: int, rounds: int) -> None:
    """Measure one network, and print the medians."""
    loop, _ = build_loop(plan.build(tasks, seed=0), sources, batch_size=batch_size)
    bare = bare_epoch(loop)
    ours: list[float] = []
    theirs: list[float] = []
    with torch_threads(loop.options.threads):
        steps = bare()
        loop.train_epoch()
        for number in range(rounds):
            order = (loop.train_epoch, bare) if number % 2 else (bare, loop.train_epoch)
            for run in order:
                start = time.perf_counter()
                run()
                (theirs if run is bare else ours).append((time.perf_counter() - start) / steps * 1e3)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    extra = statistics.median(a - b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{name}: loop {statistics.median(ours):.3f} ms a step, bare {statistics.median(theirs):.3f} ms, "
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), extra {extra:.3f} ms "
        f"[{loop.precision.name}, {loop.options.threads} threads, {rounds} rounds of {steps} steps]"
    )


def main() -> None:
    """Measure both networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    sources, tasks = images(8_000)
    compare("reference network", sources, tasks, NetworkPlan("conv", (1, 28, 28)), 256, rounds)
    sources, tasks = table(20_000)
    compare("small MLP", sources, tasks, NetworkPlan("mlp", (16,), {"hidden": (64, 32)}, hidden=()), 128, rounds)


if __name__ == "__main__":
    main()
