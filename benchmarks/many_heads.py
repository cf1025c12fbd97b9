"""Measure a step with many heads of one form, compared with a loop over the heads.

    python benchmarks/many_heads.py [--rounds 15] [--tasks 4 8 14 50 150] [--balancers equal upgrad] [--json FILE]

A training step of `fit`: rows, forward, losses, backward, optimizer; 128 rows of 32 numbers, a hidden layer of 128 units, regression
tasks of which every label is missing with probability 0.1, and heads without or with a hidden layer of 64 units. In every round, three
steps with heads and losses that are computed together and three steps that compute them one by one take turns; the ratios are medians over
rounds of the processor time of one thread, which other processes disturb least.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from polytask.architectures import MultiTaskModel, architecture
from polytask.architectures.network import grouped_heads
from polytask.data import Source
from polytask.encoders import MLP
from polytask.tasks import Regression, grouped_losses
from polytask.training import inference
from polytask.training.fit_model import build_loop
from polytask.training.loop.training_loop import TrainingLoop

ROWS, BATCH, INPUTS, STEPS = 2000, 128, 32, 3
TOGETHER, ONE_BY_ONE = 2, 10**9
SWITCHES = (
    (architecture, "FEWEST_HEADS"),
    (grouped_heads, "FEWEST_HEADS"),
    (inference, "FEWEST_LOSSES"),
    (grouped_losses, "FEWEST_LOSSES"),
)
"""Where the smallest numbers of heads and losses that are computed together are read."""


def fewest(number: int) -> None:
    """Compute heads and losses together from this number on."""
    for module, name in SWITCHES:
        setattr(module, name, number)


def loop_of(tasks: int, hidden: tuple[int, ...], balancer: str) -> TrainingLoop:
    """Return a training loop, ready for a step."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, INPUTS)).astype("float32")
    labels = x @ random.normal(size=(INPUTS, tasks)) + random.normal(size=(ROWS, tasks))
    labels[random.random(labels.shape) < 0.1] = np.nan
    named = {f"t{number}": labels[:, number] for number in range(tasks)}
    encoder, heads = MLP((INPUTS,), hidden=(128,)), [Regression(name=name) for name in named]
    model = MultiTaskModel(encoder, heads, hidden=hidden, initialization="framework")
    loop, _ = build_loop(model, [Source("table", x, named)], balancer, batch_size=BATCH, threads=1)
    loop.state.model.train()
    return loop


def seconds(loop: TrainingLoop, number: int) -> float:
    """Return the processor time of a step, in seconds."""
    fewest(number)
    batches = [next(loop.epoch_batches()) for _ in range(STEPS)]
    start = time.process_time()
    for batch in batches:
        loop.step(batch)
    return (time.process_time() - start) / STEPS


def measured(tasks: int, hidden: tuple[int, ...], balancer: str, rounds: int) -> dict[str, object]:
    """Return milliseconds per step in both ways, and the median of their ratios."""
    loops = {number: loop_of(tasks, hidden, balancer) for number in (ONE_BY_ONE, TOGETHER)}
    times: dict[int, list[float]] = {number: [] for number in loops}
    for round_number in range(rounds + 1):
        for number, loop in loops.items():
            taken = seconds(loop, number)
            if round_number:  # the first round warms up
                times[number].append(taken)
    ratio = statistics.median(a / b for a, b in zip(times[TOGETHER], times[ONE_BY_ONE], strict=True))
    loop_ms, together_ms = (statistics.median(times[number]) * 1e3 for number in (ONE_BY_ONE, TOGETHER))
    return {"tasks": tasks, "hidden": hidden, "balancer": balancer, "one by one": loop_ms, "together": together_ms, "ratio": ratio}


def main() -> None:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", type=int, nargs="+", default=[4, 8, 14, 50, 150])
    parser.add_argument("--balancers", nargs="+", default=["equal", "upgrad"])
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print("| balancer | hidden layers of a head | T | one by one, ms | together, ms | ratio |\n|---|---|---|---|---|---|")
    for balancer in chosen.balancers:
        for hidden in ((), (64,)):
            for tasks in chosen.tasks:
                row = measured(tasks, hidden, balancer, chosen.rounds)
                rows.append(row)
                sizes = " ".join(map(str, hidden)) or "none"
                times = f"{row['one by one']:.1f} | {row['together']:.1f} | {row['ratio']:.2f}"
                print(f"| {balancer} | {sizes} | {tasks} | {times} |", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
