"""Measure how the cost of a step grows with the number of tasks T and of shared parameters P.

    python benchmarks/step_cost_growth.py [--rounds 9] [--most 1e9] [--out docs/figures/growth.svg] [--json FILE]

A trunk of two square layers, 32 rows, a linear head per task. The time of a step with a balancer of every need, and of the floor (forward,
heads, one backward of the trunk per task, optimizer), is divided by that of a step with the plain sum in the same round (median). Times are
processor times of one thread, which other processes disturb least. Pairs of T and P have T · P up to `--most`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from timed_networks import Cell, Step

TASKS = (2, 4, 8, 16, 32, 64, 128)
PARAMETERS = (1e4, 1e5, 1e6, 1e7, 1e8)
ROWS = 32
METHODS = {
    "losses: uncertainty": "uncertainty",
    "representations: graddrop": "graddrop",
    "Gramian: upgrad": "upgrad",
    "Jacobian: graddrop(at=parameters)": "graddrop(at=parameters)",
    "two batches: modo": "modo",
}
"""A balancer of every need, by what it needs and its name."""


class Growing(Cell):
    """A cell whose trunk has P parameters."""

    def __init__(self, tasks: int, parameters: float) -> None:
        torch.manual_seed(0)
        width = int((parameters / 2) ** 0.5)
        self.tasks, self.names = tasks, tuple(f"t{number}" for number in range(tasks))
        self.trunk = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(width, 4) for _ in range(tasks))
        self.shared = list(self.trunk.parameters())
        self.optimizer = torch.optim.SGD([*self.shared, *self.heads.parameters()], lr=1e-4)
        self.x, self.targets = torch.randn(ROWS, width), torch.randn(tasks, ROWS, 4)


def seconds(step: Step) -> float:
    """Return the processor time of one step, in seconds."""
    start = time.process_time()
    step()
    return time.process_time() - start


def measured(tasks: int, parameters: float, rounds: int) -> dict[str, float]:
    """Return milliseconds per step, and medians of ratios to the plain sum."""
    cell = Growing(tasks, parameters)
    ours = {name: cell.ours(spelled, route="sequential") for name, spelled in METHODS.items()}  # with an option, features are passed
    steps = {"plain": cell.plain, "floor": cell.floor, **ours}
    for step in [*steps.values()] * 2:
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    found = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    ratios = {
        f"{name} / plain": statistics.median(a / b for a, b in zip(times[name], times["plain"], strict=True))
        for name in ("floor", *METHODS)
    }
    return {"tasks": tasks, "parameters": parameters} | found | ratios


def all_measured(rounds: int, most: float) -> Iterator[dict[str, float]]:
    """Yield the results of all pairs, small ones first."""
    for parameters in PARAMETERS:
        for tasks in TASKS:
            if tasks * parameters <= most:
                yield measured(tasks, parameters, rounds)


def picture(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return a chart with a plane per step: ratios to the plain sum over T, with a line per P."""
    values = [
        {"T": row["tasks"], "P": f"{row['parameters']:.0e}", "ratio": row[f"{name} / plain"], "step": name}
        for row in rows
        for name in ("floor", *METHODS)
    ]
    tasks = {"field": "T", "type": "quantitative", "scale": {"type": "log", "base": 2}, "title": "tasks"}
    color = {"field": "P", "type": "ordinal", "title": "shared parameters"}
    ratio = {"field": "ratio", "type": "quantitative", "scale": {"type": "log"}, "title": "time over the plain sum"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "data": {"values": values},
        "facet": {"field": "step", "type": "nominal", "title": None, "sort": ["floor", *METHODS]},
        "columns": 3,
        "spec": {
            "width": 220,
            "height": 180,
            "mark": {"type": "line", "point": True},
            "encoding": {"x": tasks, "y": ratio, "color": color},
        },
    }


def main() -> None:
    """Run the benchmark, print the results, and draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--most", type=float, default=1e9)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/growth.svg"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for row in all_measured(chosen.rounds, chosen.most):
        rows.append(row)
        ratios = "".join(f"  {name.partition(':')[0]} {row[f'{name} / plain']:.2f}" for name in ("floor", *METHODS))
        print(f"T {row['tasks']:4.0f}  P {row['parameters']:7.0e}  plain {row['plain']:9.2f} ms{ratios}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows))
    import vl_convert

    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(vl_convert.vegalite_to_svg(picture(rows)), encoding="utf-8")
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
