"""Time what the check for values that are not finite adds to a step of `Backward`.

    python benchmarks/finite_check_cost.py [--rounds 201] [--json FILE]

In every round, the functions that look for NaN and infinity are timed within one step, and the median over rounds of their time relative
to the rest of the same step is printed. A step is forward, `Backward` and Adam on 256 rows, in one thread; times are those of the
processor, so that neighbors on the machine do not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from polytask.gradients import Backward
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.jacobian_buffer import JacobianBuffer
from timed_networks import Step, convolutions

TASKS = ("a", "b")
BALANCERS = ("equal", "uncertainty", "upgrad", "gradvac(groups=matrix)")


def small_mlp() -> tuple[nn.Module, int, tuple[int, ...]]:
    """Return an MLP 64-64-64: the trunk, its number of features, and the shape of one input."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()), 64, (64,)


NETWORKS = {"reference network": convolutions, "small MLP": small_mlp}


def step_of(network: str, balancer: str) -> Step:
    """Return a step on a batch of 256 rows with Adam."""
    torch.manual_seed(0)
    trunk, features, shape = NETWORKS[network]()
    model = nn.ModuleDict({"trunk": trunk, **{task: nn.Linear(features, 1) for task in TASKS}})
    x, y = torch.randn(256, *shape), torch.randn(256, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    backward = Backward(balancer, tasks=TASKS, shared=trunk, model=model)

    def step() -> None:
        optimizer.zero_grad()
        z = trunk(x)
        backward({task: (model[task](z) - y).square().mean() for task in TASKS})
        optimizer.step()

    return step


@contextmanager
def timed_check() -> Iterator[list[float]]:
    """Add up the seconds of all functions that look for NaN and infinity."""
    spent = [0.0]

    def timed(function: Any) -> Any:  # noqa: ANN401 - a method of any signature
        def run(*arguments: Any) -> Any:  # noqa: ANN401
            start = time.thread_time()
            found = function(*arguments)
            spent[0] += time.thread_time() - start
            return found

        return run

    with ExitStack() as stack:
        for owner, name in ((GradAccumulator, "finite"), (GradAccumulator, "private_finite"), (JacobianBuffer, "finite")):
            stack.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name))))
        yield spent


def measured(step: Step, rounds: int) -> tuple[float, float]:
    """Return the median step in seconds, and the median share of the check in a step."""
    steps, shares = [], []
    with timed_check() as spent:
        for number in range(rounds + 5):
            spent[0], start = 0.0, time.thread_time()
            step()
            whole = time.thread_time() - start
            if number >= 5:
                steps.append(whole)
                shares.append(spent[0] / (whole - spent[0]))
    return statistics.median(steps), statistics.median(shares)


def main() -> None:
    """Print a row per network and balancer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=201)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for network in NETWORKS:
        for balancer in BALANCERS:
            median, difference = measured(step_of(network, balancer), options.rounds)
            rows.append({"network": network, "balancer": balancer, "milliseconds": 1e3 * median, "percent": 100 * difference})
            print(f"{network:18s} {balancer:24s} {1e3 * median:7.2f} ms {100 * difference:+6.2f} %", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
