"""Time the solvers of the small convex problems: microseconds from a Gramian to the weights.

    python benchmarks/solver_speed.py [--repeats 400]

Cold: Gramians of new random Jacobians every time. Warm: the solver starts from the weights of the previous step, after a change of J
by 5 %. The targets are 50 µs at T = 2, and 2 ms warm at T = 40.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch

from polytask.balancing.solvers import minimum_norm, project_on_dual_cone, solve_alpha_fair, solve_conflict_averse

Solver = Callable[..., np.ndarray]
SOLVERS: Mapping[str, Solver] = {
    "MGDA": minimum_norm,
    "CAGrad, c = 0.4": lambda G, start=None: solve_conflict_averse(G, 0.4, start),
    "Nash-MTL": lambda G, start=None: _solved(solve_alpha_fair(G, start=start)),
    "FairGrad, alpha = 2": lambda G, start=None: _solved(solve_alpha_fair(G, alpha=2.0, start=start)),
    "UPGrad": lambda G, start=None: project_on_dual_cone(G, np.eye(len(G)), start=start),
}


def _solved(weights: np.ndarray | None) -> np.ndarray:
    return np.zeros(1) if weights is None else weights


def gramians(tasks: int, count: int, change: float) -> list[np.ndarray]:
    """Return Gramians of Jacobians with half of the pairs of tasks in conflict; each J differs from the previous by the factor `change`."""
    random = np.random.default_rng(tasks)
    J = random.normal(size=(tasks, 10 * tasks))
    found = []
    for _ in range(count):
        fresh = random.normal(size=J.shape)
        J = fresh if change >= 1 else J + change * fresh
        found.append(J @ J.T)
    return found


def microseconds(solver: Solver, steps: list[np.ndarray], *, warm: bool) -> float:
    """Return the median time per step, in microseconds."""
    times, start = [], None
    for G in steps:
        call = partial(solver, G, start=start) if warm and start is not None else partial(solver, G)
        begin = time.perf_counter()
        start = call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[5:]) * 1e6


def main() -> None:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{'microseconds':24}{'T':>4}{'cold':>10}{'warm':>10}  target")
    for name, solver in SOLVERS.items():
        for tasks in (2, 8, 40):
            cold = microseconds(solver, gramians(tasks, repeats, 1.0), warm=False)
            warm = microseconds(solver, gramians(tasks, repeats, 0.05), warm=True)
            limit = {2: 50.0, 40: 2000.0}.get(tasks)
            state = "" if limit is None else "met" if (cold if tasks == 2 else warm) <= limit else f"not met ({limit:.0f})"
            print(f"{name:24}{tasks:>4}{cold:10.0f}{warm:10.0f}  {state}")


if __name__ == "__main__":
    main()
