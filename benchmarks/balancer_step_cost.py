"""Time a step of every gradient method, compared with a floor, with the plain sum, and with TorchJD.

    python benchmarks/balancer_step_cost.py [--rounds 31] [--cells mlp:2,mlp:8] [--methods upgrad,mgda] [--json FILE] [--memory]
                                            [--processor-time]

Every contestant takes one step per round; medians over rounds of the ratio to another contestant's step of the same round are
printed. The floor is forward, backward of the heads, one backward of the trunk per task by plain autograd, optimizer step.
TorchJD is included if it is installed (with cvxpy, quadprog, ecos and clarabel), in the fastest of its four configurations.
With `--memory`, every contestant runs in a separate process, whose peak resident memory is printed. With `--processor-time`, the time
is that of the processor, with one thread, which other processes on a busy machine disturb least.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import exp, log
from pathlib import Path

import torch

from timed_networks import SHARED_METHODS, Cell, Step, all_cells

LOSS_ONLY = ("equal", "uncertainty", "gls", "dwa")
PROXY = "upgrad, representation"
BY_SOURCE = "upgrad, sources"
Times = dict[str, list[float]]
Clock = Callable[[], float]


def contestants(cell: Cell, methods: Sequence[str]) -> Iterator[tuple[str, list[Step]]]:
    """Yield names with steps; of several steps, the fastest takes part."""
    yield "plain", [cell.plain]
    yield "floor", [cell.floor]
    for name in LOSS_ONLY:
        yield name, [cell.ours(name)]
    yield PROXY, [cell.ours("upgrad", route="representation")]
    yield "plain, sources", [cell.plain_by_source]
    yield BY_SOURCE, [cell.ours("upgrad", by_source=True)]
    for name in methods:
        yield name, [cell.ours(name)]
        try:
            ways = itertools.product((True, False), (True, False))
            theirs = [cell.theirs(SHARED_METHODS[name][0], optimized=optimized, at_once=at_once) for optimized, at_once in ways]
        except ImportError:
            continue
        yield f"TorchJD {name}", theirs


def seconds(step: Step, clock: Clock) -> float:
    """Return the time of one step, in seconds."""
    start = clock()
    step()
    return clock() - start


def fastest(steps: Sequence[Step], clock: Clock = time.perf_counter) -> Step | None:
    """Return the fastest step that works, after a warm-up step; `None` if none works."""
    known: list[tuple[float, int, Step]] = []
    for step in steps:
        try:
            step()
            known.append((min(seconds(step, clock) for _ in range(2)) if len(steps) > 1 else 0.0, len(known), step))
        except (TypeError, ValueError, RuntimeError, ImportError) as error:
            if len(steps) == 1:
                raise
            warnings.warn(f"left out: {error}", stacklevel=1)
    return min(known)[2] if known else None


def measure(kind: str, tasks: int, methods: Sequence[str], rounds: int, clock: Clock) -> Times:
    """Return the seconds per step of every contestant, one number per round."""
    chosen = {name: fastest(steps, clock) for name, steps in contestants(Cell(kind, tasks), methods)}
    steps = {name: step for name, step in chosen.items() if step is not None}
    times: Times = {name: [] for name in steps}
    for number in range(rounds):
        names = list(steps) if number % 2 else list(reversed(steps))
        for name in names:
            times[name].append(seconds(steps[name], clock))
    return times


def ratio(times: Mapping[str, list[float]], first: str, second: str) -> float:
    """Return the median over rounds of first / second."""
    return statistics.median(a / b for a, b in zip(times[first], times[second], strict=True))


def excess(times: Mapping[str, list[float]], name: str) -> float:
    """Return the median over rounds of the time of a step above the floor of the same round, in seconds."""
    return statistics.median(a - b for a, b in zip(times[name], times["floor"], strict=True))


def table(kind: str, tasks: int, times: Times) -> str:
    """Return the table of one cell, with a line per contestant."""
    lines = [f"\n{kind}, T = {tasks}", f"{'':32}{'ms':>9}{'/ plain':>9}{'/ floor':>9}{'/ TorchJD':>11}"]
    for name, values in times.items():
        theirs = f"TorchJD {name}"
        line = f"{name:32}{statistics.median(values) * 1e3:9.2f}{ratio(times, name, 'plain'):9.2f}{ratio(times, name, 'floor'):9.2f}"
        lines.append(line + (f"{ratio(times, name, theirs):11.2f}" if theirs in times else ""))
    return "\n".join(lines)


def verdicts(cells: Mapping[tuple[str, int], Times]) -> Iterator[str]:
    """Yield a line per performance target."""

    def worst(what: str, found: Mapping[str, float], limit: float) -> str:
        if not found:
            return f"{what}: not measured"
        where = max(found, key=lambda name: found[name])
        over = sorted((name for name in found if found[name] > limit), key=lambda name: -found[name])
        state = "met" if not over else f"not met in {len(over)} of {len(found)}: {', '.join(f'{n} {found[n]:.2f}' for n in over[:6])}"
        return f"{what} (limit {limit}): worst {found[where]:.2f} ({where}); {state}"

    def pick(names: Sequence[str], against: str, wanted: Sequence[int]) -> dict[str, float]:
        return {
            f"{name} {kind} {tasks}": ratio(times, name, against)
            for (kind, tasks), times in cells.items()
            if tasks in wanted
            for name in names
            if name in times and against in times
        }

    shared = {
        f"{name} {kind} {tasks}": (name, times)
        for (kind, tasks), times in cells.items()
        for name in SHARED_METHODS
        if name in times and f"TorchJD {name}" in times
    }
    against = {where: ratio(times, name, f"TorchJD {name}") for where, (name, times) in shared.items()}
    yield worst("step against TorchJD", against, 1.05)
    convex = [log(value) for where, value in against.items() if SHARED_METHODS[shared[where][0]][1]]
    if convex:
        mean = exp(statistics.fmean(convex))
        state = "met" if mean <= 0.3 else "not met"
        yield f"geometric mean over methods that TorchJD solves with cvxpy or quadprog (limit 0.3): {mean:.3f}; {state}"
    above = {
        where: excess(times, name) / max(excess(times, f"TorchJD {name}"), 1e-9)
        for where, (name, times) in shared.items()
        if not SHARED_METHODS[name][1]
    }
    yield worst("cost above the floor against TorchJD's, the other methods", above, 0.5)
    gramian = [name for name in SHARED_METHODS if not name.startswith("graddrop")]
    yield worst("Gramian methods against the floor, T <= 8", pick(gramian, "floor", (2, 8)), 1.15)
    yield worst("Gramian methods against the floor, T = 40", pick(gramian, "floor", (40,)), 1.25)
    yield worst("methods of the losses against the plain sum", pick(LOSS_ONLY, "plain", (2, 8, 40)), 1.05)
    yield worst("through the representation against the plain sum, T <= 8", pick([PROXY], "plain", (2, 8)), 1.05)
    yield worst("through the representation against the plain sum, T = 40", pick([PROXY], "plain", (40,)), 1.15)
    yield worst("tasks on different sources against their plain sum", pick([BY_SOURCE], "plain, sources", (2, 8, 40)), 1.25)


def memory(kind: str, tasks: int, methods: Sequence[str]) -> str:
    """Return a table of the peak resident memory of every contestant, each in a separate process."""
    lines = [f"\n{kind}, T = {tasks}: peak memory in MB"]
    for name, _ in contestants(Cell(kind, tasks), methods):
        command = [sys.executable, __file__, "--alone", name, "--cells", f"{kind}:{tasks}", "--methods", ",".join(methods)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        lines.append(f"{name:32}{said.stdout.strip() or 'failed':>9}")
    return "\n".join(lines)


def alone(kind: str, tasks: int, methods: Sequence[str], name: str) -> float:
    """Return the peak memory of three steps of one contestant, in MB."""
    steps = dict(contestants(Cell(kind, tasks), methods))[name]
    step = fastest(steps) if len(steps) > 1 else steps[0]
    for _ in range(3):
        if step is not None:
            step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the benchmark, print the tables, and store the times with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--cells", default=",".join(f"{kind}:{tasks}" for kind, tasks in all_cells()))
    parser.add_argument("--methods", default=",".join(SHARED_METHODS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--alone")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1 if chosen.processor_time else 2)
    clock = time.process_time if chosen.processor_time else time.perf_counter
    cells = [(kind, int(tasks)) for kind, _, tasks in (text.partition(":") for text in chosen.cells.split(","))]
    methods = chosen.methods.split(",")
    if chosen.alone:
        print(f"{alone(*cells[0], methods, chosen.alone):.0f}")
        return
    found: dict[tuple[str, int], Times] = {}
    for kind, tasks in cells:
        if chosen.memory:
            print(memory(kind, tasks, methods), flush=True)
            continue
        found[kind, tasks] = measure(kind, tasks, methods, chosen.rounds, clock)
        print(table(kind, tasks, found[kind, tasks]), flush=True)
        if chosen.json:
            chosen.json.write_text(json.dumps({f"{k}:{t}": times for (k, t), times in found.items()}))
    if found:
        print("\n" + "\n".join(verdicts(found)))


if __name__ == "__main__":
    main()
