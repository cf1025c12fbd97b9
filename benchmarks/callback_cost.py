"""Measure what callbacks, logging and the display of progress cost.

    python benchmarks/callback_cost.py [--rounds 7]

A callback that does nothing: microseconds per step. Times are of the processor, so that other programs on the machine disturb them less.
"""

from __future__ import annotations

import argparse
import statistics
import time

from polytask.gradients import Report
from polytask.training.callback import Callback

STEPS = 200_000


class Idle(Callback):
    """Callback that does nothing."""


def idle_microseconds(callbacks: int) -> float:
    """Return the processor time that the hooks of a step take, in microseconds per callback."""
    hooked = {str(number): Idle() for number in range(callbacks)}
    report = Report({}, {})
    start = time.process_time()
    for _ in range(STEPS):
        for callback in hooked.values():
            callback.on_step_begin(None, {})  # type: ignore[arg-type]
        for callback in hooked.values():
            callback.on_step_end(None, report)  # type: ignore[arg-type]
    return (time.process_time() - start) / STEPS / callbacks * 1e6


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for count in (1, 4):
        found = [idle_microseconds(count) for _ in range(rounds)]
        print(f"{count} idle callbacks: {statistics.median(found):.3f} µs a step each ({min(found):.3f} to {max(found):.3f})", flush=True)


if __name__ == "__main__":
    main()
