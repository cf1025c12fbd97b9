"""Run the two-task toy problem of the papers at full length: which methods reach the Pareto front, and where.

    python benchmarks/toy_pareto_front.py [--jobs 2] [--all]

35,000 steps of Adam from five starts with the first loss a tenth as large, and 100,000 steps of CAGrad without that scale. With `--all`
further methods are included.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
from joblib import Parallel, delayed
from torch import Tensor

import polytask as pt
from polytask.balancing.factory import balancer_named
from polytask.registry.parsing import parse_balancer

REACHING = ("mgda", "imtl-g", "nash-mtl", "famo(min_losses={first: -2.1, second: -21}, gamma=0)")
OTHERS = ("pcgrad", "cagrad(c=0.4)", "upgrad", "aligned-mtl", "fairgrad", "conflict-free", "dual-proj", "scale-invariant")
UNSCALED_STARTS = ((-8.5, 7.5), (-8.5, -5.0), (9.0, 9.0), (-8.5, 5.0), (0.0, 0.0), (10.0, -8.0))


def example() -> ModuleType:
    """Import the problem from the examples."""
    spec = importlib.util.spec_from_file_location("two_task_toy", Path(__file__).parents[1] / "examples" / "two_task_toy.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("examples/two_task_toy.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["two_task_toy"] = module
    spec.loader.exec_module(module)
    return module


def descend(spelled: str, start: tuple[float, float], steps: int, scale: float = 0.1, every: int = 100) -> Tensor:
    """Return the path of a balancer with Adam, (points, 2): the point at every `every`-th step, and the last one."""
    losses = example().losses_at
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    name, options = parse_balancer(spelled)
    backward = pt.Backward(balancer_named(name, options), tasks=("first", "second"), shared=[x])
    optimizer = torch.optim.Adam([x], lr=1e-3)
    points = []
    for step in range(steps):
        if step % every == 0:
            points.append(x.detach().clone())
        optimizer.zero_grad()
        if backward.asks_again:  # FAMO needs the losses again after the step
            backward(lambda _: losses(x, scale), [None])
        else:
            backward(losses(x, scale))
        optimizer.step()
        backward.after_step()
    return torch.stack([*points, x.detach()])


def end(method: str, start: tuple[float, float], steps: int, scale: float) -> tuple[float, float]:
    """Return the point where a method ends."""
    torch.set_num_threads(1)
    a, b = descend(method, start, steps, scale, every=steps)[-1].tolist()
    return a, b


def main() -> None:
    """Run all methods, and print a table and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=35_000)
    parser.add_argument("--all", action="store_true")
    chosen = parser.parse_args()
    toy = example()
    methods = ("equal", *REACHING, *(OTHERS if chosen.all else ()))
    jobs = [(method, start, chosen.steps, 0.1) for method in methods for start in toy.STARTS]
    jobs += [("cagrad(c=0.4, rescale=0)", start, chosen.steps * 100 // 35, 1.0) for start in UNSCALED_STARTS]
    ends = Parallel(n_jobs=chosen.jobs)(delayed(end)(*job) for job in jobs)
    reached: dict[str, int] = {}
    for (method, start, _, scale), (a, b) in zip(jobs, ends, strict=True):
        arrived = toy.has_arrived(torch.tensor([a, b]))
        reached[method] = reached.get(method, 0) + arrived
        print(f"{method.partition('(')[0]:14} scale {scale:3}  from {start!s:13} to ({a:7.3f}, {b:7.3f})  {'front' if arrived else '-'}")
    for method in REACHING:
        print(f"{method.partition('(')[0]} reaches the front from {reached[method]} of {len(toy.STARTS)} starts")
    stuck = dict(zip(jobs, ends, strict=True))["equal", (9.0, 9.0), chosen.steps, 0.1]
    print(f"the plain sum from (9, 9) ends at ({stuck[0]:.2f}, {stuck[1]:.2f}); it is expected to fail")
    far = max(max(abs(a), abs(b + 8.355)) for (_, _, _, scale), (a, b) in zip(jobs, ends, strict=True) if scale == 1.0)
    print(f"CAGrad without scale ends within {far:.4f} of (0, -8.355) from all {len(UNSCALED_STARTS)} starts (limit 0.01)")


if __name__ == "__main__":
    main()
