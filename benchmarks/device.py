"""Compare a device with the CPU: numbers, verdict, images per second, steps of balancers, and a study with several workers.

    python benchmarks/device.py [--device auto] [--short]

Numbers: the reference network takes 20 steps in float32 on the CPU and on the device; the largest difference of a parameter must be at most
1e-4 of the largest parameter of its tensor. Verdict: the sample of MNIST and Fashion-MNIST is studied on both, and the claims are printed.
Steps: the time of `Backward` of every balancer, on the MLP 64-64-64 with four tasks, is divided by that of its floor, which is the forward
pass and either one backward pass of the sum, or one backward pass for each task.

With `--device cpu`, everything is compared with itself: that shows that the program runs to its end. It has not been run on an accelerator.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import polytask as pt
from loop_overhead import images
from polytask.architectures import NetworkPlan
from polytask.balancing.factory import balancer_named
from polytask.balancing.needs import Gramian, Jacobian, Norms
from polytask.devices import describe_device, resolve_device
from polytask.gradients import Backward
from polytask.registry import names
from polytask.training.fit_model import build_loop
from polytask.training.hardware import torch_threads
from polytask.training.loop.training_loop import TrainingLoop

STEPS, TOLERANCE = 20, 1e-4
NOT_BY_ITSELF = ("torchjd", "rotograd", "modo", "sdmgrad", "auto-lambda", "moml", "forum", "famo", "momentum-conflict-free")
"""Balancers that need other networks, several batches or a look-ahead, whose floor is another one."""


def reference_loop(device: str, rows: int, balancer: str) -> TrainingLoop:
    """Return a training loop of the reference network in float32, from the same weights on every device."""
    sources, tasks = images(rows)
    model = NetworkPlan("conv", (1, 28, 28)).build(tasks, seed=0)
    loop, _ = build_loop(
        model, sources, balancer, device=device, precision="float32", optimizer="SGD", lr=0.01, batch_size=min(256, rows // 5)
    )
    return loop


def wait(device: torch.device) -> None:
    """Wait for all that a device has been asked to do."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)


def difference_after_steps(device: str, rows: int, balancer: str) -> float:
    """Return the largest relative difference of a parameter after 20 steps on the CPU and on a device."""
    trained = []
    for place in ("cpu", device):
        loop = reference_loop(place, rows, balancer)
        loop.state.model.train()
        steps = (batches for _ in range(STEPS) for batches in loop.epoch_batches())
        for batches in [next(steps) for _ in range(STEPS)]:
            loop.step(batches)
        trained.append([parameter.detach().cpu() for parameter in loop.state.model.parameters()])
    return max(float((one - other).abs().max() / one.abs().max()) for one, other in zip(*trained, strict=True))


def images_per_second(device: str, rows: int) -> float:
    """Return the images that an epoch of the reference network takes per second, after one to warm up."""
    loop, place = reference_loop(device, rows, "equal"), resolve_device(device)
    with torch_threads(loop.options.threads):
        loop.train_epoch()
        wait(place)
        before, start = loop.state.rows, time.perf_counter()
        loop.train_epoch()
        wait(place)
        return (loop.state.rows - before) / (time.perf_counter() - start)


def claims(device: str, folder: Path, *, short: bool, workers: int) -> tuple[dict[str, str], float]:
    """Return the claims of a study of the sample of MNIST and Fashion-MNIST, and the seconds that it took."""
    start = time.perf_counter()
    budget = {"epochs": 1, "seeds": 2, "steps_per_epoch": 4} if short else {"epochs": 5, "seeds": 5}
    result = pt.study("mnist-fashion", size="sample", arms=["single", "equal"], workers=workers, device=device, out=folder, **budget)
    found = {f"{arm}, {name}": own.claim for name, task in result.verdict.tasks.items() for arm, own in task.arms.items()}
    return found, time.perf_counter() - start


def step_ratios(device: torch.device, repeats: int) -> dict[str, float]:
    """Return the time of a step of every balancer relative to its floor."""
    torch.manual_seed(0)
    tasks = tuple("abcd")
    trunk = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()).to(device)
    heads = nn.ModuleDict({task: nn.Linear(64, 1) for task in tasks}).to(device)
    inputs, shared = torch.randn(256, 64).to(device), list(trunk.parameters())
    model = nn.ModuleList([trunk, heads])

    def losses() -> tuple[Tensor, dict[str, Tensor]]:
        features = trunk(inputs)
        return features, {task: heads[task](features).square().mean() for task in tasks}

    def sum_floor() -> None:
        torch.stack([*losses()[1].values()]).sum().backward()  # type: ignore[no-untyped-call]

    def rows_floor() -> None:
        for loss in losses()[1].values():
            torch.autograd.grad(loss, [*shared, *heads.parameters()], retain_graph=True, allow_unused=True)

    floors = {one: _median_seconds(floor, model, device, repeats) for one, floor in (("sum", sum_floor), ("rows", rows_floor))}
    found = {}
    for name in (name for name in names("balancer") if name not in NOT_BY_ITSELF):
        backward = Backward(balancer_named(name, task_weights=dict.fromkeys(tasks, 1.0)), tasks=tasks, shared=shared, model=model)

        def step(backward: Backward = backward) -> None:
            features, own = losses()
            backward(own, features=[features])

        seconds = _median_seconds(step, model, device, repeats)
        floor = "rows" if isinstance(backward.balancer.needs(), Gramian | Jacobian | Norms) else "sum"
        found[f"{name} ({floor})"] = seconds / floors[floor]
    return found


def _median_seconds(step: Callable[[], None], model: nn.Module, device: torch.device, repeats: int) -> float:
    times = []
    for number in range(repeats + 2):
        model.zero_grad()
        wait(device)
        start = time.perf_counter()
        step()
        wait(device)
        times += [time.perf_counter() - start] if number > 1 else []
    return statistics.median(times)


def main() -> None:
    """Run all comparisons, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="device to compare with the CPU")
    parser.add_argument("--short", action="store_true", help="run everything with a tiny budget")
    chosen = parser.parse_args()
    device, rows = resolve_device(chosen.device), 400 if chosen.short else 20_000
    print(f"torch {torch.__version__}, {describe_device(device)}")
    for balancer in ("equal", "cagrad"):
        difference = difference_after_steps(str(device), rows, balancer)
        word = "at most" if difference <= TOLERANCE else "MORE THAN"
        print(f"{balancer}: parameters differ by {difference:.1e} after {STEPS} steps, {word} {TOLERANCE}")
    for place in ("cpu", str(device)):
        print(f"{place}: {images_per_second(place, rows):,.0f} images per second")
    for name, ratio in step_ratios(device, 5 if chosen.short else 50).items():
        print(f"{name}: {ratio:.2f} times its floor")
    with tempfile.TemporaryDirectory() as folder:
        for number, (place, workers) in enumerate((("cpu", 1), (str(device), 1), (str(device), 4))):
            found, seconds = claims(place, Path(folder) / str(number), short=chosen.short, workers=workers)
            print(f"study on {place} with {workers} workers: {seconds:.0f} s, {found}")


if __name__ == "__main__":
    main()
