"""Measure what callbacks, logging and the display of progress cost.

    python benchmarks/callback_cost.py [--rounds 7]

First a callback that does nothing, in microseconds per step. Then one training run of the reference network on 28x28 images (128 + 128
rows a step, 8,000 rows per source, 2 epochs) per logger, and one with the display in a terminal: the time to begin and end the record, and
the time per epoch as a share of that of the run. Both are taken in the same run, so that other programs on the machine disturb both.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import polytask as pt
from polytask.gradients import Report
from polytask.training import LogTraining
from polytask.training.callback import Callback
from polytask.training.live_progress import shown_progress

STEPS, ROWS, EPOCHS = 200_000, 8_000, 2


class Idle(Callback):
    """Callback that does nothing."""


class Screen(io.StringIO):
    """Terminal that nobody looks at."""

    def isatty(self) -> bool:
        """Return that it is a terminal."""
        return True


class Clock:
    """Sum of the time that calls of functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time added to the sum."""

        def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            start = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return call


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


def images() -> tuple[list[pt.Source], tuple[pt.Task, ...]]:
    """Return two sources of random images, and their tasks."""
    random = np.random.default_rng(0)
    names = (("mnist", "digit"), ("fashion-mnist", "garment"))
    sources = [
        pt.Source(name, random.integers(0, 256, (ROWS, 1, 28, 28), dtype=np.uint8), {task: random.integers(0, 10, ROWS)})
        for name, task in names
    ]
    return sources, tuple(pt.tasks.Multiclass(name=task, classes=tuple(range(10))) for _, task in names)


def images_run(**given: Any) -> float:  # noqa: ANN401
    """Train the reference network with the options given, and return its seconds."""
    sources, tasks = images()
    choices = {"epochs": EPOCHS, "batch_size": 256, "threads": 1, "patience": None, "encoder": "conv", **given}
    seconds: float = pt.fit(tasks, sources, "upgrad", **choices).seconds
    return seconds


def logger_cost(name: str) -> tuple[float, float, float]:
    """Return the seconds to begin and end a record, those of the epochs, and those of the run."""
    ends, epochs = Clock(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        place = f"uri='sqlite:///{folder}/mlflow.db'" if name == "mlflow" else f"folder='{folder}'"
        logger = pt.loggers.make_logger(f"{name}({place})")
        logger.begin(pt.loggers.LoggedRun("before"))  # the first one loads the library, and creates its database
        logger.end()
        callback: Any = LogTraining(logger, pt.loggers.LoggedRun())
        for hook, clock in (("on_fit_begin", ends), ("on_epoch_end", epochs), ("on_fit_end", ends)):
            setattr(callback, hook, clock.timed(getattr(callback, hook)))
        whole = images_run(logger=callback, progress=pt.training.ignore_progress)
    return ends.seconds, epochs.seconds, whole


def display_cost() -> tuple[float, float, float]:
    """Return no seconds, those of the display in a terminal, and those of the run."""
    clock, kept = Clock(), sys.stderr
    sys.stderr = Screen()
    try:
        with shown_progress(None) as show:
            whole = images_run(progress=clock.timed(show))
    finally:
        sys.stderr = kept
    return 0.0, clock.seconds, whole


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for count in (1, 4):
        found = [idle_microseconds(count) for _ in range(rounds)]
        print(f"{count} idle callbacks: {statistics.median(found):.3f} µs a step each ({min(found):.3f} to {max(found):.3f})", flush=True)
    for what in ("csv", "tensorboard", "mlflow", "wandb", "display"):
        ends, epochs, whole = display_cost() if what == "display" else logger_cost(what)
        each, share = epochs / EPOCHS * 1e3, epochs / whole
        print(f"{what}: {each:.1f} ms an epoch, {share:.2%} of a run of {whole:.1f} s; {ends:.3f} s to begin and end", flush=True)


if __name__ == "__main__":
    main()
