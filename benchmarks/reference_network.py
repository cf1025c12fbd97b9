"""Train the reference network jointly on the full data: images per second, and accuracy after 5 epochs.

    python benchmarks/reference_network.py [--rounds 5] [--accuracy] [--keras .venv-keras/bin/python]

Contenders: polytask in its default precision and in float32, a plain PyTorch loop in float32 (no library, contiguous
layout), and Keras 3 on TensorFlow in float32 and in mixed_bfloat16, in a separate environment. Each trains one epoch of
120,000 images (batch 256, Adam) at a time, in alternating rounds, so that they never share the machine. Medians over rounds
of the ratio to the faster of the two Keras runs of the same round are printed.

The first epoch of each is discarded as warm-up. Feeding the data is included for all contenders.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from polytask import datasets
from polytask.architectures import NetworkPlan
from polytask.data import Source
from polytask.training import fit
from polytask.training.fit_model import build_loop
from polytask.training.hardware import available_cores, torch_threads
from polytask.training.trained_network import TrainedNetwork

EPOCHS = 5
SEEDS = (0, 1, 2)
Contender = Callable[[], float]


class Keras:
    """Keras worker process in a separate environment."""

    def __init__(self, python: Path, data: Path) -> None:
        worker = Path(__file__).parent / "peers" / "keras_reference_network.py"
        self._process = subprocess.Popen([python, worker, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, policy: str, *, seed: int = 0, epochs: int = 1, evaluate: bool = False) -> dict[str, Any]:
        """Send a request to the worker, and return its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the Keras worker has no pipes")
        self._process.stdin.write(json.dumps({"policy": policy, "seed": seed, "epochs": epochs, "evaluate": evaluate}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def polytask_epoch(sources: tuple[Source, ...], tasks: Any, precision: str) -> Contender:  # noqa: ANN401 - tasks of any kind
    """Return a contender that runs one epoch of polytask's loop, with a tiny validation part that is not timed, as the others have none."""
    plan = NetworkPlan("conv", (1, 28, 28))
    loop, _ = build_loop(plan.build(tasks, seed=0), sources, validation_fraction=0.001, precision=precision, threads=available_cores())

    def epoch() -> float:
        rows = loop.state.rows
        with torch_threads(available_cores()):
            start = time.perf_counter()
            loop.train_epoch()
            return (loop.state.rows - rows) / (time.perf_counter() - start)

    return epoch


def plain_epoch(sources: tuple[Source, ...]) -> Contender:
    """Return a contender that trains the same network in a plain PyTorch loop: float32, PyTorch's defaults."""
    trunk = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    heads = [nn.Sequential(nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10)) for _ in sources]
    optimizer = torch.optim.Adam([p for module in (trunk, *heads) for p in module.parameters()])
    images = [torch.from_numpy(source.inputs) for source in sources]
    codes = [torch.from_numpy(np.unique(next(iter(source.labels.values())), return_inverse=True)[1]) for source in sources]
    statistics_of = [(float(source.inputs.mean()), float(source.inputs.std())) for source in sources]

    def epoch() -> float:
        start = time.perf_counter()
        orders = [torch.split(torch.randperm(len(part)), 128) for part in images]
        with torch_threads(available_cores()):
            for rows in zip(*orders, strict=True):
                total = torch.zeros(())
                for head, part, labels, (mean, deviation), chosen in zip(heads, images, codes, statistics_of, rows, strict=True):
                    outputs = head(trunk((part[chosen].float() - mean) / deviation))
                    total = total + functional.cross_entropy(outputs, labels[chosen])
                optimizer.zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return sum(map(len, images)) / (time.perf_counter() - start)

    return epoch


def throughput(contenders: dict[str, Contender], rounds: int) -> None:
    """Time the contenders in alternating rounds, and print a table of medians."""
    for run in contenders.values():
        run()
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            speeds[name].append(run())
            print(f"  {name}: {speeds[name][-1]:,.0f} images/s", flush=True)
    keras = [max(pair) for pair in zip(*(values for name, values in speeds.items() if name.startswith("Keras")), strict=True)]
    print("\n| contender | images/s, median | ratio to Keras (the faster), median | least | most |\n|---|---|---|---|---|")
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(values, keras, strict=True)] if keras else [float("nan")]
        middle = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f}"
        print(f"| {name} | {statistics.median(values):,.0f} | {middle} |")


def accuracy(sources: Any, tasks: Any, keras: Keras | None) -> None:  # noqa: ANN401 - as `datasets.load` gives them
    """Print the test accuracy of joint training after 5 epochs, averaged over 3 seeds."""
    plan = NetworkPlan("conv", (1, 28, 28))
    test = sources.open_test()
    found: dict[str, list[dict[str, float]]] = {"polytask": []}
    for seed in SEEDS:
        run = fit(plan.build(tasks, seed), sources, seed=seed, epochs=EPOCHS, patience=None, batch_size=256)
        network = TrainedNetwork(plan, run.model, run.normalizations, run.precision, {})
        found["polytask"].append(_accuracies(network, test))
        print(f"  polytask, seed {seed}: {found['polytask'][-1]}, {run.seconds:.0f} s", flush=True)
        for policy in ("float32", "mixed_bfloat16") if keras else ():
            answer = keras.ask(policy, seed=seed, epochs=EPOCHS, evaluate=True)["accuracy"] if keras else {}
            found.setdefault(f"Keras {policy}", []).append(answer)
            print(f"  Keras {policy}, seed {seed}: {answer}", flush=True)
    print(f"\n| after {EPOCHS} epochs, {len(SEEDS)} seeds | digit | garment |\n|---|---|---|")
    for name, runs in found.items():
        means = [statistics.mean(run[task] for run in runs) for task in ("digit", "garment")]
        print(f"| {name} | {means[0]:.4f} | {means[1]:.4f} |")


def _accuracies(network: TrainedNetwork, test: tuple[Source, ...]) -> dict[str, float]:
    by_task = {task.name: task for task in network.tasks}
    scores = {}
    for source in test:
        (task,) = source.tasks
        prediction = by_task[task].predict(network.outputs(network.prepared(source))[task])
        scores[task] = float((by_task[task].decode(prediction.values) == source.labels[task]).mean())
    return scores


def _saved(sources: Any, folder: Path) -> Path:  # noqa: ANN401 - as above
    """Save the arrays for the other environment, and return the path."""
    arrays = {}
    for name, part, test in zip(("mnist", "fashion"), sources, sources.open_test(), strict=True):
        classes = np.unique(part.labels[part.tasks[0]])
        arrays[f"{name}_inputs"], arrays[f"{name}_test_inputs"] = part.inputs, test.inputs
        arrays[f"{name}_labels"] = np.searchsorted(classes, part.labels[part.tasks[0]])
        arrays[f"{name}_test_labels"] = np.searchsorted(classes, test.labels[part.tasks[0]])
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def main() -> None:
    """Measure the throughput, and the accuracy if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accuracy", action="store_true", help="also train 5 epochs with 3 seeds")
    parser.add_argument("--keras", type=Path, default=Path(".venv-keras/bin/python"), help="Python interpreter with keras and tensorflow")
    given = parser.parse_args()
    sources, tasks = datasets.load_dataset("mnist-fashion", size="full")
    with tempfile.TemporaryDirectory() as folder:
        keras = Keras(given.keras, _saved(sources, Path(folder))) if given.keras.exists() else None
        if keras is None:
            sys.stderr.write(f"no Keras interpreter at {given.keras}; see benchmarks/README.md\n")
        contenders: dict[str, Contender] = {
            "polytask": polytask_epoch(tuple(sources), tasks, "auto"),
            "polytask, float32": polytask_epoch(tuple(sources), tasks, "float32"),
            "plain PyTorch, float32": plain_epoch(tuple(sources)),
        }
        if keras is not None:
            worker = keras
            contenders["Keras, float32"] = lambda: float(worker.ask("float32")["images_per_second"])
            contenders["Keras, mixed_bfloat16"] = lambda: float(worker.ask("mixed_bfloat16")["images_per_second"])
        if given.rounds:
            throughput(contenders, given.rounds)
        if given.accuracy:
            accuracy(sources, tasks, keras)


if __name__ == "__main__":
    main()
